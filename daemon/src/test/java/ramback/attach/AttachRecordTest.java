package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AttachRecordTest {

    @TempDir
    Path directory;

    @Property
    void whatIsWrittenIsRead(@ForAll @IntRange(min = 0) int number, @ForAll long generation, @ForAll boolean isUblk) {
        AttachRecord record = new AttachRecord(isUblk ? Via.UBLK : Via.NBD, number, FakeMachine.life(generation));
        assertThat(AttachRecord.parse(record.text())).contains(record);
        for (String disk : List.of("9@boot", "nbd+unix:///a b@0?socket=/x y")) {
            AttachRecord known = new AttachRecord(record.via(), number, record.life(), disk);
            assertThat(AttachRecord.parse(known.text())).contains(known);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "ublk",
                "ublk 1",
                "ublk 1 0",
                "ublk -1 0-0-1-0-2 ab 0",
                "ublk x 0-0-1-0-2 ab 0",
                "ublk 1 y ab 0",
                "ublk 1 0-0-1-0-2 y 0",
                "ublk 1 0-0-1-0-2 ab y",
                "loop 1 0-0-1-0-2 ab 0"
            })
    void whatMakesNoSenseIsNoRecord(String line) {
        assertThat(AttachRecord.parse(line)).isEmpty();
    }

    @Test
    void aRecordIsItsOwnersAloneReplacedWholeAndRemoved() throws IOException {
        assertThat(AttachRecord.read(directory)).isEmpty();
        new AttachRecord(Via.UBLK, 1, FakeMachine.life(0)).write(directory);
        new AttachRecord(Via.NBD, 12, FakeMachine.life(3)).write(directory);
        assertThat(AttachRecord.read(directory)).contains(new AttachRecord(Via.NBD, 12, FakeMachine.life(3)));
        Path file = directory.resolve("attachment");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        AttachRecord.remove(directory);
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aDescriptorIsInheritedOnlyWhereItIsOneOfFuse() {
        assertThat(new AttachRecord(Via.FUSE, 0, FakeMachine.life(0)).isInherited())
                .isFalse();
        assertThat(new AttachRecord(Via.FUSE, 1 << 20, FakeMachine.life(0)).isInherited())
                .isFalse();
    }

    private static String text(int number) {
        return new AttachRecord(Via.UBLK, number, FakeMachine.life(0)).text();
    }

    @Test
    void aFileOfSeveralLinesIsNoRecord() throws IOException {
        Files.writeString(directory.resolve("attachment"), text(1) + "\n" + text(2) + "\n");
        assertThat(AttachRecord.read(directory)).isEmpty();
    }
}
