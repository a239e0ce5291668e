package ramback.attach;

import java.io.IOException;

/** The ways of this machine's kernel. */
public final class SystemWays implements Ways {

    @Override
    public String unavailable(Via via) {
        return "";
    }

    @Override
    public LocalDisk make(Via via, Offer offer, Keeper before) throws IOException {
        throw new IOException("not yet");
    }

    @Override
    public LocalDisk recover(AttachRecord record, Offer offer) throws IOException {
        throw new IOException("not yet");
    }

    @Override
    public void remove(AttachRecord record) throws IOException {
        throw new IOException("not yet");
    }
}
