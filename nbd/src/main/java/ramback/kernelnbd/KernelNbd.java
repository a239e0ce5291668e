package ramback.kernelnbd;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import ramback.clock.Clock;
import ramback.remote.RemoteUri;

/**
 * Block devices that the kernel's NBD driver makes of exports. Nothing of them is kept here: what there is is asked of the kernel, so that
 * any process may reconnect or disconnect what another one connected, if it may at all (CAP_SYS_ADMIN in the machine's own user
 * namespace). Safe for use by many threads.
 *
 * <p><b>When the server is gone.</b> Requests wait for {@link #reconnect}, for a day; only then they fail. What the dead server had been
 * sent and not answered is sent again by the driver when its time is over ({@link Options}), not at once.
 *
 * <p><b>When the server is slow.</b> Over one connection a request may take as long as it likes, as on a disk.
 */
public final class KernelNbd {

    /**
     * A block device of ours.
     *
     * @param index its number, {@code /dev/nbdN}
     * @param uri the server's socket and the export that it was connected with
     */
    public record Attached(int index, RemoteUri uri) {}

    /**
     * How a block device is connected.
     *
     * @param connectionCount 1 to 16. Each has a hardware queue of the kernel's and two threads of the server's. With one, the driver
     *     never gives a connection up, and sends again within {@link #RESEND_MILLIS} of a reconnection what was lost with a server. With
     *     several, it takes a connection for dead whose request takes longer than {@link #SEVERAL_TIMEOUT_SECONDS}, and sends it again on
     *     another one; as long may it take after a reconnection until what was lost is sent again
     * @param blockBytes the logical and the physical block size: 512, 1024, 2048 or 4096; smaller where the size of the device asks for
     *     it. A partition table counts in these, so whoever attaches one device in several ways needs the same in all of them
     * @param readOnly whether the kernel refuses to write, whatever the server allows
     */
    public record Options(int connectionCount, int blockBytes, boolean readOnly) {
        /** One connection, blocks of 512 bytes as everywhere, writable if the export is. */
        public static final Options DEFAULT = new Options(1, 512, false);

        public Options {
            if (connectionCount < 1 || connectionCount > CONNECTION_COUNT_MAX) {
                throw new IllegalArgumentException(
                        connectionCount + " connections, where 1 to " + CONNECTION_COUNT_MAX + " are possible");
            }
            if (blockBytes < NbdDriver.SECTOR_BYTES
                    || blockBytes > NbdDriver.BLOCK_BYTES_MAX
                    || Integer.bitCount(blockBytes) != 1) {
                throw new IllegalArgumentException(
                        "blocks of " + blockBytes + " bytes, where 512, 1024, 2048 or 4096 are possible");
            }
        }
    }

    public static final int CONNECTION_COUNT_MAX = 16;

    /** Within this time of a reconnection everything is sent again, with one connection. Where {@code /sys} is read-only: 30 s. */
    public static final int RESEND_MILLIS = 5_000;

    /** With several connections: as long may a request take. */
    public static final int SEVERAL_TIMEOUT_SECONDS = 300;

    private static final NbdDriver DRIVER = new NbdDriver(NbdFamily::open, NbdFiles.SYSTEM, Clock.SYSTEM);

    private KernelNbd() {}

    /** Why no block device can be connected here, in one line with what to do; empty when one can. */
    public static Optional<String> unavailable() {
        return DRIVER.unavailable();
    }

    /**
     * Makes the first free block device of an export. It is there when this returns, with its partitions.
     *
     * <p>It is as large as the export, less what is beyond the last multiple of 512 bytes: a block device can't have that.
     *
     * @param socket the server's, also for a later {@link #reconnect} by a process that knows nothing else
     * @param export its name; one that holds a generation ({@code NAME@GENERATION}) can't be reconnected to what has lost writes
     * @return its index
     * @throws KernelNbdException in one line
     * @throws ramback.backing.BackingOpenException when the server refuses, in one line
     */
    public static int connect(Path socket, String export, Options options) throws IOException {
        return DRIVER.connect(uri(socket, export), options);
    }

    /**
     * Brings new connections to a block device whose server has died: as many as it had. Waits for some seconds until the kernel has
     * noticed. What waited goes on; an export that has grown makes the block device grow.
     *
     * @param socket the same as when it was connected
     * @param export the same
     * @throws KernelNbdException MISSING when there is none of that index; IN_USE when it is not that export's, or has all its
     *     connections; UNFIT when the export has become smaller or read-only
     * @throws ramback.backing.BackingOpenException when the server refuses, in one line
     */
    public static void reconnect(int index, Path socket, String export) throws IOException {
        DRIVER.reconnect(index, uri(socket, export));
    }

    /**
     * Takes a block device apart. What is under way, and whatever comes while somebody has it open or mounted, fails with EIO, so unmount
     * first. Nothing happens when there is none.
     *
     * <p>A server that is stopped (SIGSTOP) and has a full socket holds this up until it is gone or goes on.
     *
     * @return false when somebody still has it open: it is free when that has been closed
     * @throws KernelNbdException in one line
     */
    public static boolean disconnect(int index) throws IOException {
        return DRIVER.disconnect(index);
    }

    /**
     * The block devices that a process of ours connected, by whatever process, ascending; empty before Linux 5.14, which does not tell
     * whose they are.
     */
    public static List<Attached> attached() throws IOException {
        return DRIVER.attached();
    }

    /** The block device's special file, {@code /dev/nbdN}. */
    public static Path path(int index) {
        return NbdFiles.SYSTEM.node(index);
    }

    private static RemoteUri uri(Path socket, String export) {
        return new RemoteUri(new RemoteUri.Unix(socket.toAbsolutePath()), export);
    }
}
