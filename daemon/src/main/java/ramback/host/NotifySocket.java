package ramback.host;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * The socket on which a service manager hears of the process (sd_notify(3)): a datagram a message, an assignment a line.
 * For one thread, which may wait while the manager's queue is full.
 */
final class NotifySocket implements ServiceReports.Manager {

    private static final Logger LOG = System.getLogger(NotifySocket.class.getName());

    private final int fd;
    private final String name;
    private boolean hasFailed;

    private NotifySocket(int fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /**
     * Opens the way to a socket.
     *
     * @param name an absolute path, or {@code @} and a name in the abstract namespace
     * @return null where there is none, with a warning
     */
    static @Nullable NotifySocket open(String name) {
        if (!name.startsWith("/") && !name.startsWith("@")) {
            LOG.log(
                    Level.WARNING,
                    "NOTIFY_SOCKET ''{0}'' is neither an absolute path nor @ and a name; the service manager is not told"
                            + " of the device",
                    name);
            return null;
        }
        try {
            return new NotifySocket(Posix.datagramSocket(), name);
        } catch (PosixException e) {
            LOG.log(Level.WARNING, "the service manager is not told of the device: {0}", e.getMessage());
            return null;
        }
    }

    @Override
    public void tell(List<String> assignments) {
        try {
            Posix.sendDatagram(fd, name, String.join("\n", assignments).getBytes(UTF_8));
        } catch (PosixException e) {
            if (!hasFailed) {
                hasFailed = true;
                LOG.log(Level.WARNING, "the service manager can''t be told of the device: {0}", e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        try {
            Posix.close(fd);
        } catch (PosixException e) {
            // Nothing is lost with it: what was sent has been sent.
        }
    }
}
