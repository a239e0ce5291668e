package ramback.control;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.engine.Orders;
import ramback.power.PowerEvent;

/**
 * {@code RUNDIR/NAME/orders}: a line {@code power WORD} and a line {@code mode WORD}, each if somebody has said so. It goes with the
 * directory, so a clean stop forgets them, and so does a start of the machine. Safe for use by many threads.
 */
final class OrdersFile implements Orders.Keeper {

    private static final System.Logger LOG = System.getLogger(OrdersFile.class.getName());
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    private final Path file;
    private volatile Orders left = Orders.NONE;

    OrdersFile(Path file) {
        this.file = file;
    }

    /** Reads what the owner before has kept, which may be nothing; what makes no sense is passed over. */
    void read() {
        try {
            PowerEvent power = null;
            Mode mode = null;
            for (String line : Files.readAllLines(file)) {
                String[] words = line.split(" ", 2);
                String word = words.length == 2 ? words[1] : "";
                switch (words[0]) {
                    case "power" -> power = eventOf(word);
                    case "mode" -> mode = Mode.ofWord(word).orElse(null);
                    default -> {}
                }
            }
            left = new Orders(power, mode);
        } catch (NoSuchFileException e) {
            left = Orders.NONE;
        } catch (IOException e) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "cannot read " + file + ": " + RunDirectory.reason(e)
                            + "; a mode chosen by hand, or what a script said of the power, is forgotten");
        }
    }

    private static @Nullable PowerEvent eventOf(String word) {
        for (PowerEvent event : PowerEvent.values()) {
            if (event.word().equals(word)) {
                return event;
            }
        }
        return null;
    }

    @Override
    public Orders left() {
        return left;
    }

    @Override
    public synchronized void keep(Orders orders) {
        List<String> lines = new ArrayList<>();
        if (orders.power() != null) {
            lines.add("power " + orders.power().word());
        }
        if (orders.mode() != null) {
            lines.add("mode " + orders.mode().word());
        }
        if (orders.equals(Orders.NONE)) {
            forget();
            return;
        }
        // Whole or not at all: whoever reads it comes after a kill.
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.deleteIfExists(next);
            Files.createFile(next, OWNER_ONLY);
            Files.write(next, lines);
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "cannot write " + file + ": " + RunDirectory.reason(e)
                            + "; the next process will not know what people and scripts have said");
        }
    }

    private void forget() {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "cannot remove " + file + ": " + RunDirectory.reason(e));
        }
    }
}
