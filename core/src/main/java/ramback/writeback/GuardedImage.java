package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.Damage;

/**
 * The image for whoever changes it. Before anything is written, what is written over is settled in the {@link ImageCheck}; and who reads
 * the image beside the writers learns whether what it read was being written. Reads go straight through.
 */
public final class GuardedImage implements Backing {

    private final Backing image;
    private final ImageCheck check;

    /** What is being watched; nothing if the end is not behind the beginning. */
    private volatile long watchBegin;

    private volatile long watchEnd;
    private volatile boolean touched;

    GuardedImage(Backing image, ImageCheck check) {
        this.image = image;
        this.check = check;
    }

    /**
     * From now on {@link #isTouched} tells whether something of this range was written. A write that had begun before is not told: what it
     * carries is still marked stale after this call, unless it is in the image already. Dekker with the appliers, which mark a chunk and then
     * look here, while who watches looks at the marks afterwards. By one thread.
     */
    void watch(long offsetBytes, long lengthBytes) {
        watchEnd = 0;
        watchBegin = offsetBytes;
        touched = false;
        watchEnd = offsetBytes + lengthBytes;
        VarHandle.fullFence();
    }

    void unwatch() {
        watchEnd = 0;
    }

    boolean isTouched() {
        return touched;
    }

    private void beforeChange(long offsetBytes, long lengthBytes) {
        if (offsetBytes < watchEnd && offsetBytes + lengthBytes > watchBegin) {
            touched = true;
        }
        check.settleBefore(offsetBytes, lengthBytes);
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        beforeChange(offsetBytes, from.byteSize());
        image.write(offsetBytes, from);
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        beforeChange(offsetBytes, lengthBytes);
        image.zero(offsetBytes, lengthBytes);
    }

    @Override
    public String uri() {
        return image.uri();
    }

    @Override
    public long sizeBytes() {
        return image.sizeBytes();
    }

    @Override
    public int alignmentBytes() {
        return image.alignmentBytes();
    }

    @Override
    public boolean readOnly() {
        return image.readOnly();
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        image.read(offsetBytes, into);
    }

    @Override
    public void sync() throws IOException {
        image.sync();
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        return image.nextDataOffset(fromBytes);
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        return image.nextHoleOffset(fromBytes);
    }

    @Override
    public @Nullable Damage damage() throws IOException {
        return image.damage();
    }

    @Override
    public long intactBytes() {
        return image.intactBytes();
    }

    @Override
    public long cutCount() {
        return image.cutCount();
    }

    @Override
    public void close() throws IOException {
        image.close();
    }
}
