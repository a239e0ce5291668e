package ramback.journal;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import ramback.backing.Backing;

/** A disk of any size that forgets all but its first 64 KiB: for what is written, not for what is read. */
final class NullDisk implements Backing {
    private final long sizeBytes;
    private final CacheDisk header = new CacheDisk(64 << 10, Power.forEver());

    NullDisk(long sizeBytes) {
        this.sizeBytes = sizeBytes;
    }

    @Override
    public String uri() {
        return "null:";
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int alignmentBytes() {
        return 1;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        if (offsetBytes < header.sizeBytes()) {
            header.read(offsetBytes, into);
        } else {
            into.fill((byte) 0);
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        Objects.checkFromIndexSize(offsetBytes, from.byteSize(), sizeBytes);
        if (offsetBytes < header.sizeBytes()) {
            header.write(offsetBytes, from);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void sync() throws IOException {
        header.sync();
    }

    @Override
    public long nextDataOffset(long fromBytes) {
        return fromBytes;
    }

    @Override
    public long nextHoleOffset(long fromBytes) {
        return sizeBytes;
    }

    @Override
    public void close() {
        // Nothing is open.
    }
}
