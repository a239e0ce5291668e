package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.kernelnbd.KernelNbdException.Reason;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.protocol.Protocol;
import ramback.remote.RemoteUri;
import ramback.remote.Terms;

/** {@link KernelNbd} on any driver and any view of the system's files. Safe for use by many threads. */
final class NbdDriver {

    /** Opens a conversation with the driver. */
    interface Opener {
        NbdFamily open() throws IOException;
    }

    static final int SECTOR_BYTES = 512;

    /** The driver takes no block beyond a page, and that is 4 KiB on most machines. */
    static final int BLOCK_BYTES_MAX = 4096;

    private static final Logger LOG = System.getLogger(NbdDriver.class.getPackageName());

    /**
     * How long requests wait for a server that has died. Long enough for whoever has to be woken up for it; whoever can't wait that long
     * disconnects.
     */
    private static final int DEAD_SECONDS = 24 * 60 * 60;

    /** What the driver has for {@code io_timeout} unless somebody changed it. */
    private static final long REQUEST_TIMEOUT_MILLIS_DEFAULT = 30_000;

    /** The kernel writes it into one page of {@code sysfs}, and does not look at its length. */
    private static final int IDENTIFIER_BYTES_MAX = 2048;

    /** Flags of the server's that mean something to the driver; WRITE_ZEROES does from Linux 6.12 on. */
    private static final int FLAGS_KNOWN = Protocol.FLAG_HAS_FLAGS
            | Protocol.FLAG_READ_ONLY
            | Protocol.FLAG_SEND_FLUSH
            | Protocol.FLAG_SEND_FUA
            | Protocol.FLAG_SEND_TRIM
            | Protocol.FLAG_SEND_WRITE_ZEROES
            | Protocol.FLAG_CAN_MULTI_CONN;

    private static final String NOT_PERMITTED =
            "block devices over NBD need CAP_SYS_ADMIN outside of any user namespace; run it as root";

    /** How long the kernel may take to notice that a server has gone, or that a block device is closed. */
    private static final long NOTICE_NANOS = 5_000_000_000L;

    private static final long LOOK_NANOS = 20_000_000L;

    private final Opener opener;
    private final NbdFiles files;
    private final Clock clock;

    NbdDriver(Opener opener, NbdFiles files, Clock clock) {
        this.opener = opener;
        this.files = files;
        this.clock = clock;
    }

    Optional<String> unavailable() {
        try (NbdFamily _ = open()) {
            if (files.mayAdministrate()) {
                return Optional.empty();
            }
            return Optional.of(NOT_PERMITTED);
        } catch (IOException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    int connect(RemoteUri uri, KernelNbd.Options options) throws IOException {
        try (NbdFamily family = open();
                Connections connections = connections(uri, options.connectionCount())) {
            Terms terms = connections.terms();
            if (connections.count() > 1 && !terms.allowsConnections()) {
                throw new KernelNbdException(
                        Reason.UNFIT,
                        "the server of " + uri + " takes no " + connections.count() + " connections at once; use 1",
                        null);
            }
            int flags = (terms.flags() & FLAGS_KNOWN) | (options.readOnly() ? Protocol.FLAG_READ_ONLY : 0);
            int blockBytes = blockBytes(uri, terms, options.blockBytes());
            boolean isOne = connections.count() == 1;
            int index = connect(
                    family,
                    new NbdFamily.Setup(
                            terms.sizeBytes() / SECTOR_BYTES * SECTOR_BYTES,
                            blockBytes,
                            flags,
                            isOne ? 0 : KernelNbd.SEVERAL_TIMEOUT_SECONDS,
                            DEAD_SECONDS,
                            identifier(uri)),
                    connections.descriptors());
            if (isOne) {
                hastenResending(index);
            }
            readPartitions(index);
            return index;
        }
    }

    private static int connect(NbdFamily family, NbdFamily.Setup setup, int[] sockets) throws IOException {
        try {
            return family.connect(null, setup, sockets);
        } catch (PosixException e) {
            throw failure("cannot connect a block device", e);
        }
    }

    void reconnect(int index, RemoteUri uri) throws IOException {
        checkOwner(index, uri);
        int wanted = files.connectionCount(index);
        int taken = 0;
        long deadlineNanos = clock.nanoTime() + NOTICE_NANOS;
        try (NbdFamily family = open()) {
            while (true) {
                taken += bringConnections(family, index, uri, wanted - taken);
                if (taken == wanted) {
                    return;
                }
                if (clock.nanoTime() >= deadlineNanos) {
                    break;
                }
                clock.park(this, clock.nanoTime() + LOOK_NANOS);
            }
        }
        if (taken == 0) {
            throw new KernelNbdException(
                    Reason.IN_USE,
                    files.node(index) + " still has its connections to " + uri + "; end the server that has them",
                    null);
        }
    }

    /** Returns how many of them the kernel has taken: as many as it knows to be dead, which it only says by not taking more. */
    private int bringConnections(NbdFamily family, int index, RemoteUri uri, int count) throws IOException {
        List<Long> inodes;
        try (Connections connections = connections(uri, count)) {
            inodes = connections.inodes();
            Long grown = grown(index, uri, connections.terms());
            family.reconfigure(index, grown, identifier(uri), connections.descriptors());
        } catch (PosixException e) {
            throw failure("cannot reconnect " + files.node(index), e);
        }
        int taken = 0;
        for (long inode : inodes) {
            if (files.hasUnixSocket(inode)) {
                taken++;
            }
        }
        return taken;
    }

    private void checkOwner(int index, RemoteUri uri) throws IOException {
        if (!files.isConnected(index)) {
            throw new KernelNbdException(
                    Reason.MISSING, files.node(index) + " is not connected, so there is nothing to reconnect", null);
        }
        String backend = files.backend(index);
        if (backend != null && !backend.equals(identifier(uri))) {
            throw new KernelNbdException(
                    Reason.IN_USE, files.node(index) + " is the block device of " + backend + ", not of " + uri, null);
        }
    }

    /** The block device's new size, or null when that stays; refuses what whoever has it mounted can't bear. */
    private @Nullable Long grown(int index, RemoteUri uri, Terms terms) throws IOException {
        if (terms.isReadOnly() && !files.isReadOnly(index)) {
            throw new KernelNbdException(
                    Reason.UNFIT,
                    "export " + uri + " is read-only now, and " + files.node(index) + " is not; disconnect it first",
                    null);
        }
        long before = files.sizeBytes(index);
        long blockBytes = files.blockBytes(index);
        long now = terms.sizeBytes() / blockBytes * blockBytes;
        if (now < before) {
            throw new KernelNbdException(
                    Reason.UNFIT,
                    "export " + uri + " has " + terms.sizeBytes() + " bytes now, and " + files.node(index) + " has "
                            + before + "; bring back its size, or disconnect it first",
                    null);
        }
        return now == before ? null : Long.valueOf(now);
    }

    boolean disconnect(int index) throws IOException {
        try (NbdFamily family = open()) {
            restoreRequestTimeout(index);
            family.disconnect(index);
        } catch (PosixException e) {
            if (e.errno() == Errno.EINVAL) {
                return true; // there is none of that index
            }
            throw failure("cannot disconnect " + files.node(index), e);
        }
        long deadlineNanos = clock.nanoTime() + NOTICE_NANOS;
        while (files.isConnected(index)) {
            if (clock.nanoTime() >= deadlineNanos) {
                return false;
            }
            clock.park(this, clock.nanoTime() + LOOK_NANOS);
        }
        return true;
    }

    List<KernelNbd.Attached> attached() throws IOException {
        List<KernelNbd.Attached> attached = new ArrayList<>();
        for (int index : files.indexes()) {
            String backend = files.backend(index);
            if (backend == null || !RemoteUri.isMeant(backend)) {
                continue;
            }
            try {
                attached.add(new KernelNbd.Attached(index, RemoteUri.parse(backend)));
            } catch (IllegalArgumentException e) {
                LOG.log(Level.DEBUG, files.node(index) + " is another program''s: " + backend);
            }
        }
        return attached;
    }

    // ---------------------------------------------------------------------------------------------- the details

    /** The largest that divides the size, is wanted, and is not smaller than what the server takes. */
    private static int blockBytes(RemoteUri uri, Terms terms, int wantedBytes) throws KernelNbdException {
        long sizeBytes = terms.sizeBytes() / SECTOR_BYTES * SECTOR_BYTES;
        if (sizeBytes == 0) {
            throw new KernelNbdException(
                    Reason.UNFIT,
                    "export " + uri + " has " + terms.sizeBytes() + " bytes; a block device has " + SECTOR_BYTES
                            + " at least",
                    null);
        }
        int leastBytes = Math.max(SECTOR_BYTES, terms.blockBytesMin());
        int blockBytes = Math.max(leastBytes, (int) Math.min(wantedBytes, Long.lowestOneBit(sizeBytes)));
        if (blockBytes > BLOCK_BYTES_MAX) {
            throw new KernelNbdException(
                    Reason.UNFIT,
                    "export " + uri + " wants blocks of " + blockBytes + " bytes; the kernel makes " + BLOCK_BYTES_MAX
                            + " at most",
                    null);
        }
        return blockBytes;
    }

    private static String identifier(RemoteUri uri) throws KernelNbdException {
        String identifier = uri.toString();
        int lengthBytes = identifier.getBytes(UTF_8).length;
        if (lengthBytes > IDENTIFIER_BYTES_MAX) {
            throw new KernelNbdException(
                    Reason.UNFIT,
                    "the server's URI has " + lengthBytes + " bytes, " + IDENTIFIER_BYTES_MAX
                            + " are possible; use a shorter name or socket",
                    null);
        }
        return identifier;
    }

    /**
     * What a dead server was sent is sent again by the driver when the request's time is over, however early the new server is there. That
     * time is 30 s, and does no harm when it is shorter: with one connection that is still the same it begins anew.
     */
    private void hastenResending(int index) {
        try {
            files.setRequestTimeoutMillis(index, KernelNbd.RESEND_MILLIS);
        } catch (IOException e) {
            LOG.log(Level.INFO, "after a crash of the server, requests on " + files.node(index) + " may wait for "
                    + REQUEST_TIMEOUT_MILLIS_DEFAULT / 1000 + " s: " + e);
        }
    }

    /** Or the next one, who may have several connections, would lose them to a request that takes a little longer. */
    private void restoreRequestTimeout(int index) {
        try {
            if (files.isConnected(index) && files.requestTimeoutMillis(index) == KernelNbd.RESEND_MILLIS) {
                files.setRequestTimeoutMillis(index, REQUEST_TIMEOUT_MILLIS_DEFAULT);
            }
        } catch (IOException e) {
            LOG.log(Level.INFO, "the request time-out of " + files.node(index) + " stays: " + e);
        }
    }

    /** The kernel looks for them when the block device is opened for the first time. */
    private void readPartitions(int index) {
        Path node = files.node(index);
        if (!Files.exists(node)) {
            return; // a container without it: others may have it
        }
        try {
            Posix.close(Posix.open(node, Posix.O_RDONLY, 0));
        } catch (PosixException e) {
            LOG.log(Level.INFO, "partitions of " + node + " were not looked for: " + e.getMessage());
        }
    }

    private NbdFamily open() throws IOException {
        try {
            return opener.open();
        } catch (PosixException e) {
            throw switch (e.errno()) {
                case Errno.ENOENT ->
                    new KernelNbdException(
                            Reason.UNAVAILABLE, "the kernel's NBD driver is not loaded; run 'modprobe nbd'", e);
                case Errno.EPROTONOSUPPORT, Errno.EAFNOSUPPORT ->
                    new KernelNbdException(
                            Reason.UNAVAILABLE,
                            "there is no netlink to the kernel's NBD driver here (" + e.text()
                                    + "); leave the sandbox",
                            e);
                default -> failure("cannot ask the kernel's NBD driver", e);
            };
        }
    }

    private static KernelNbdException failure(String what, PosixException e) {
        return switch (e.errno()) {
            case Errno.EPERM -> new KernelNbdException(Reason.NOT_PERMITTED, NOT_PERMITTED, e);
            case Errno.EBUSY ->
                new KernelNbdException(Reason.IN_USE, what + ": it is in use; disconnect it first", e);
            default ->
                new KernelNbdException(
                        Reason.FAILED, what + ": " + e.text() + "; the kernel's log (dmesg) may say more", e);
        };
    }

    // ---------------------------------------------------------------------------------------------- connections

    private Connections connections(RemoteUri uri, int count) throws IOException {
        if (!(uri.endpoint() instanceof RemoteUri.Unix(Path socket))) {
            throw new IllegalArgumentException("not a Unix socket: " + uri);
        }
        List<ServerConnection> opened = new ArrayList<>();
        Connections connections = new Connections(opened);
        boolean isComplete = false;
        try {
            while (opened.size() < count) {
                opened.add(ServerConnection.open(uri, socket, clock));
            }
            isComplete = true;
            return connections;
        } finally {
            if (!isComplete) {
                connections.close();
            }
        }
    }

    /** Connections to one server, until the kernel has them. */
    private record Connections(List<ServerConnection> opened) implements AutoCloseable {

        int count() {
            return opened.size();
        }

        Terms terms() {
            return opened.getFirst().terms();
        }

        int[] descriptors() {
            return opened.stream().mapToInt(ServerConnection::fd).toArray();
        }

        List<Long> inodes() throws PosixException {
            List<Long> inodes = new ArrayList<>();
            for (ServerConnection connection : opened) {
                inodes.add(connection.inode());
            }
            return inodes;
        }

        @Override
        public void close() throws PosixException {
            for (ServerConnection connection : opened) {
                connection.close();
            }
        }
    }
}
