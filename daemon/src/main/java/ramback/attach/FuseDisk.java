package ramback.attach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import ramback.device.TooManySessionsException;
import ramback.engine.DeviceLife;
import ramback.engine.Refusal;
import ramback.fuse.FuseDirectory;
import ramback.fuse.FuseFile;

/** A device as a file in a FUSE directory. */
record FuseDisk(FuseDirectory served, DeviceLife life) implements LocalDisk {

    static FuseDisk make(Offer offer) throws IOException {
        Path directory = offer.fuseDirectory();
        if (!Files.isDirectory(directory)) {
            Files.createDirectory(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        try {
            return new FuseDisk(
                    FuseDirectory.mount(offer.device(), directory, files(offer), offer.traffic()), offer.life());
        } catch (IOException e) {
            Files.deleteIfExists(directory);
            throw e;
        } catch (TooManySessionsException e) {
            Files.deleteIfExists(directory);
            throw tooMany(e);
        }
    }

    static FuseDisk resume(AttachRecord record, Offer offer) throws IOException {
        try {
            return new FuseDisk(
                    FuseDirectory.resume(
                            record.number(), offer.device(), offer.fuseDirectory(), files(offer), offer.traffic()),
                    offer.life());
        } catch (TooManySessionsException e) {
            throw tooMany(e);
        }
    }

    private static IOException tooMany(TooManySessionsException e) {
        return new IOException(
                "all sessions of the device are taken by clients; start it with a higher --max-clients", e);
    }

    private static List<FuseFile> files(Offer offer) {
        return offer.files().stream().map(FuseDisk::file).toList();
    }

    private static FuseFile file(ControlFile file) {
        ControlFile.Writing writing = file.writing();
        return new FuseFile(file.name(), file.text(), writing == null ? null : word -> isAccepted(writing, word));
    }

    private static boolean isAccepted(ControlFile.Writing writing, String word) throws InterruptedException {
        try {
            writing.accept(word);
            return true;
        } catch (Refusal e) {
            return false; // a file has no other words for it than "invalid argument"
        }
    }

    @Override
    public Via via() {
        return Via.FUSE;
    }

    @Override
    public Path path() {
        return served.disk();
    }

    @Override
    public Optional<AttachRecord> record() {
        return Optional.empty();
    }

    @Override
    public boolean isAlive() {
        return served.isAlive();
    }

    @Override
    public void close() {
        served.close();
    }

    @Override
    public Optional<AttachRecord> leave() {
        return served.leave().map(fd -> new AttachRecord(Via.FUSE, fd, life));
    }
}
