package ramback.attach;

import java.io.IOException;
import ramback.fuse.FuseDirectory;
import ramback.posix.Posix;

/** The ways of this machine's kernel. */
public final class SystemWays implements Ways {

    @Override
    public String unavailable(Via via) {
        return switch (via) {
            case UBLK -> "not in this version";
            case NBD -> "not in this version";
            case FUSE -> FuseDirectory.unavailable().orElse("");
        };
    }

    @Override
    public LocalDisk make(Via via, Offer offer, Keeper before) throws IOException {
        return switch (via) {
            case UBLK, NBD -> throw new IOException("not in this version");
            case FUSE -> FuseDisk.make(offer);
        };
    }

    @Override
    public LocalDisk recover(AttachRecord record, Offer offer) throws IOException {
        return switch (record.via()) {
            case UBLK, NBD -> throw new IOException("not in this version");
            case FUSE -> FuseDisk.resume(record, offer);
        };
    }

    @Override
    public void remove(AttachRecord record) throws IOException {
        switch (record.via()) {
            case UBLK, NBD -> throw new IOException("not in this version");
            case FUSE -> Posix.close(record.number()); // which is the end of the directory's connection
        }
    }
}
