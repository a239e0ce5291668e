package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import ramback.fuse.FuseDirectory;
import ramback.kernelnbd.KernelNbd;
import ramback.posix.Posix;
import ramback.ublk.UblkDevice;

/** The ways of this machine's kernel. */
public final class SystemWays implements Ways {

    @Override
    public String unavailable(Via via) {
        Optional<String> reason = switch (via) {
            case UBLK -> UblkDevice.unavailable();
            case NBD -> KernelNbd.unavailable();
            case FUSE -> FuseDirectory.unavailable();
        };
        return reason.orElse("");
    }

    @Override
    public LocalDisk make(Via via, Offer offer, int connectionCount) throws IOException {
        return switch (via) {
            case UBLK -> UblkDisk.make(offer);
            case NBD -> NbdDisk.make(offer, connectionCount);
            case FUSE -> FuseDisk.make(offer);
        };
    }

    @Override
    public LocalDisk recover(AttachRecord record, Offer offer) throws IOException {
        return switch (record.via()) {
            case UBLK -> UblkDisk.recover(record, offer);
            case NBD -> NbdDisk.recover(record, offer);
            case FUSE -> FuseDisk.resume(record, offer);
        };
    }

    @Override
    public List<AttachRecord> find(Path directory, Path socket) throws IOException {
        List<AttachRecord> found = new ArrayList<>(UblkDisk.find(directory));
        found.addAll(NbdDisk.find(socket));
        return found;
    }

    @Override
    public void remove(AttachRecord record, Path directory, Path socket) throws IOException {
        switch (record.via()) {
            case UBLK -> UblkDevice.remove(UblkDisk.ownerOf(directory), record.number());
            case NBD -> KernelNbd.disconnect(record.number(), socket);
            case FUSE -> Posix.close(record.number()); // which is the end of the directory's connection
        }
    }
}
