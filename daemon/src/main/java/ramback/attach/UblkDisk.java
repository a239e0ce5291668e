package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import ramback.engine.DeviceLife;
import ramback.ublk.UblkDevice;

/** A device as a block device of the ublk driver. */
record UblkDisk(UblkDevice served, DeviceLife life) implements LocalDisk {

    private static final BlockDevices BLOCKS = new BlockDevices(Path.of("/"));

    /** More would be more sessions of the device than more speed. */
    private static final int QUEUE_COUNT_MAX = 4;

    static UblkDisk make(Offer offer) throws IOException {
        int queueCount = Math.min(QUEUE_COUNT_MAX, Runtime.getRuntime().availableProcessors());
        return new UblkDisk(UblkDevice.create(offer.device(), ownerOf(offer.directory()), queueCount), offer.life());
    }

    static UblkDisk recover(AttachRecord record, Offer offer) throws IOException {
        return new UblkDisk(
                UblkDevice.recover(offer.device(), ownerOf(offer.directory()), record.number()), offer.life());
    }

    static List<AttachRecord> find(Path directory) throws IOException {
        return UblkDevice.find(ownerOf(directory)).stream()
                .map(id -> new AttachRecord(Via.UBLK, id, AttachRecord.UNKNOWN_LIFE))
                .toList();
    }

    /** Two devices may have one name, in two run directories. */
    static String ownerOf(Path directory) {
        return Parts.real(directory).toString();
    }

    @Override
    public Via via() {
        return Via.UBLK;
    }

    @Override
    public Path path() {
        return served.path();
    }

    @Override
    public Optional<AttachRecord> record() {
        return Optional.of(AttachRecord.ofDisk(BLOCKS, Via.UBLK, served.id(), life));
    }

    @Override
    public boolean isAlive() {
        return served.isAlive();
    }

    @Override
    public void close() throws IOException {
        served.close();
    }

    @Override
    public Optional<AttachRecord> leave() {
        served.leave();
        return Optional.empty();
    }
}
