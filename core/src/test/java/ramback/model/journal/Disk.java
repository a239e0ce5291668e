package ramback.model.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A disk of blocks of two halves, with a volatile cache: what was written since the last sync is there after a loss of
 * power or not, each half for itself.
 */
final class Disk {

    /** A half of a block that is in the cache. */
    record Write(Disk disk, int block, int half, Object content) {}

    private final @Nullable Object[] halves;
    private final List<Write> cache = new ArrayList<>();

    Disk(int blockCount, @Nullable Object content) {
        halves = new Object[2 * blockCount];
        Arrays.fill(halves, content);
    }

    private Disk(@Nullable Object[] halves) {
        this.halves = halves;
    }

    void write(int block, Object content) {
        cache.add(new Write(this, block, 0, content));
        cache.add(new Write(this, block, 1, content));
    }

    /** Makes durable what is in the cache. */
    void sync() {
        cache.forEach(write -> halves[2 * write.block + write.half] = write.content);
        cache.clear();
    }

    /** A sync that fails: what was in the cache is forgotten, written or not, and the next sync knows nothing of it. */
    void failSync(boolean isWritten) {
        if (isWritten) {
            sync();
        }
        cache.clear();
    }

    /** What is in the cache, in the order in which it was written. */
    List<Write> cache() {
        return cache;
    }

    /** What is there after a loss of power that these writes have survived. */
    Disk after(List<Write> survivors) {
        Disk disk = new Disk(halves.clone());
        for (Write write : survivors) {
            if (write.disk == this) {
                disk.halves[2 * write.block + write.half] = write.content;
            }
        }
        return disk;
    }

    /** A block of which both halves are of one write, or null; only for a disk without a cache. */
    @Nullable
    Object read(int block) {
        Object first = halves[2 * block];
        return first != null && first.equals(halves[2 * block + 1]) ? first : null;
    }

    /** A block becomes unreadable. */
    void rot(int block) {
        halves[2 * block] = null;
    }
}
