package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import ramback.kernelnbd.KernelNbd;
import ramback.remote.RemoteUri;

/**
 * A device as a block device of the kernel's NBD client, over the daemon's own Unix socket. It asks for the export of
 * this generation, so that it is not even reconnected to one that has lost writes.
 */
record NbdDisk(AttachRecord attached, Path socket) implements LocalDisk {

    private static final BlockDevices BLOCKS = new BlockDevices(Path.of("/"));

    /** As with every other way, and in the image itself. */
    private static final int SECTOR_BYTES = 512;

    /** For as long as somebody is waited for who only looks, such as udev: 3 s. */
    private static final int CLOSE_POLLS_MAX = 150;

    private static final long CLOSE_POLL_NANOS = 20_000_000;

    static NbdDisk make(Offer offer) throws IOException {
        int index = KernelNbd.connect(
                offer.socket(),
                export(offer),
                new KernelNbd.Options(1, SECTOR_BYTES, offer.device().readOnly()));
        return of(index, offer);
    }

    static NbdDisk recover(AttachRecord record, Offer offer) throws IOException {
        KernelNbd.reconnect(record.number(), offer.socket(), export(offer));
        return of(record.number(), offer);
    }

    private static NbdDisk of(int index, Offer offer) {
        return new NbdDisk(AttachRecord.ofDisk(BLOCKS, Via.NBD, index, offer.life()), offer.socket());
    }

    private static String export(Offer offer) {
        return offer.device().name() + "@" + offer.life().exportGeneration();
    }

    static List<AttachRecord> find(Path socket) throws IOException {
        return KernelNbd.attached().stream()
                .filter(attached -> isAt(attached.uri(), socket))
                .map(attached -> new AttachRecord(Via.NBD, attached.index(), AttachRecord.UNKNOWN_LIFE))
                .toList();
    }

    private static boolean isAt(RemoteUri uri, Path socket) {
        return uri.endpoint() instanceof RemoteUri.Unix(Path path) && path.equals(socket);
    }

    @Override
    public Via via() {
        return Via.NBD;
    }

    @Override
    public Path path() {
        return KernelNbd.path(attached.number());
    }

    @Override
    public Optional<AttachRecord> record() {
        return Optional.of(attached);
    }

    @Override
    public boolean isAlive() {
        return Parts.isThere(BLOCKS, attached);
    }

    @Override
    public void close() throws IOException {
        // One that was taken apart by hand may be somebody else's by now.
        if (!isAlive() || KernelNbd.disconnect(attached.number(), socket)) {
            return;
        }
        for (int poll = 0; isAlive(); poll++) {
            if (poll == CLOSE_POLLS_MAX) {
                throw new IOException("somebody still has it open; it goes with the last of them");
            }
            LockSupport.parkNanos(CLOSE_POLL_NANOS);
        }
    }

    @Override
    public Optional<AttachRecord> leave() {
        return Optional.empty(); // the socket goes with the process
    }
}
