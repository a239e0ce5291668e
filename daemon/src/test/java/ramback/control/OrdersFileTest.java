package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.Mode;
import ramback.engine.Orders;
import ramback.power.PowerEvent;

class OrdersFileTest {

    @TempDir
    Path directory;

    private Path file() {
        return directory.resolve("orders");
    }

    private Orders read() {
        OrdersFile reader = new OrdersFile(file());
        reader.read();
        return reader.left();
    }

    @ParameterizedTest
    @CsvSource({"ON_BATTERY, UNSAFE", "LOW,", ", CHECKPOINT", "ON_LINE, WRITETHROUGH"})
    void theNextProcessKnows(PowerEvent power, Mode mode) throws IOException {
        Orders orders = new Orders(power, mode);
        new OrdersFile(file()).keep(new Orders(PowerEvent.ON_LINE, Mode.WRITEBACK));
        new OrdersFile(file()).keep(orders);
        assertThat(read()).isEqualTo(orders);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
                .isEqualTo("rw-------");
        assertThat(directory).isDirectoryContaining(entry -> entry.equals(file()));
        try (var entries = Files.list(directory)) {
            assertThat(entries).containsExactly(file());
        }
    }

    @Test
    void whatNobodySaysAnyMoreIsForgotten() {
        new OrdersFile(file()).keep(new Orders(PowerEvent.LOW, null));
        new OrdersFile(file()).keep(Orders.NONE);
        assertThat(file()).doesNotExist();
        assertThat(read()).isEqualTo(Orders.NONE);
    }

    @Test
    void whatMakesNoSenseIsPassedOver() throws IOException {
        Files.write(file(), List.of("", "power", "power soon", "mode faster", "colour blue"));
        assertThat(read()).isEqualTo(Orders.NONE);
        Files.write(file(), List.of("mode unsafe", "power on-battery", "x"));
        assertThat(read()).isEqualTo(new Orders(PowerEvent.ON_BATTERY, Mode.UNSAFE));
    }

    @Test
    void aDirectoryThatIsGoneStopsNobody() {
        OrdersFile lost = new OrdersFile(directory.resolve("gone").resolve("orders"));
        lost.keep(new Orders(PowerEvent.LOW, null));
        lost.read();
        assertThat(lost.left()).isEqualTo(Orders.NONE);
    }
}
