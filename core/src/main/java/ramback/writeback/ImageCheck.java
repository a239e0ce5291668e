package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Consumer;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.image.ChunkStore;
import ramback.journal.ImageChecksums;
import ramback.journal.StateFile.Blocks;

/**
 * Whether the image still is what it was at its clean stop, found out block by block while it is loaded. A block of which a checksum is
 * known is pending at first, and then settled for good: as it was, or changed behind our back. What was changed is never installed.
 *
 * <pre>
 *   pending ── read as a whole, checksum fits ──▶ as it was
 *      ├────── read as a whole, checksum differs ─▶ changed      (reads as EIO until it is written anew)
 *      └────── a part of it can't be read ────────▶ unchecked    (what can be read is served, as of any failing disk)
 * </pre>
 *
 * A block must be settled before anything of it is written to the image, or nobody could tell our change from another's: whoever writes
 * does so through {@link #guarded}, which reads and settles first. Loaders may be reading the same block meanwhile. What they find then
 * counts only if the block is still pending when they have found it: it was not being written before.
 *
 * <p>Safe for use by many threads. Settling takes the check's monitor for two bits; whoever comes second takes over what the first one
 * found.
 */
public final class ImageCheck {

    private static final int BUFFER_ALIGNMENT = 4096;

    private final ImageChecksums expected;
    private final Backing image;
    private final Faults faults;
    private final Consumer<List<Blocks>> onChanged;
    private final AtomicLongArray settled;
    private final AtomicLongArray changed;
    private final AtomicLong pendingCount = new AtomicLong();
    private final AtomicLong changedCount = new AtomicLong();
    private final AtomicLong uncheckedCount = new AtomicLong();

    /** Of the first range found, or null. */
    private volatile @Nullable String changedText;

    /**
     * A check that has not begun.
     *
     * @param expected what the image held
     * @param suspect blocks that were found changed in an earlier life of the device, and are not accepted
     * @param onChanged hears of all changed blocks whenever there is one more; on a thread that may wait for a disk
     */
    public ImageCheck(
            ImageChecksums expected,
            List<Blocks> suspect,
            Backing image,
            Faults faults,
            Consumer<List<Blocks>> onChanged) {
        this.expected = expected;
        this.image = image;
        this.faults = faults;
        this.onChanged = onChanged;
        int wordCount = (int) ((expected.blockCount() + 63) >>> 6);
        this.settled = new AtomicLongArray(wordCount);
        this.changed = new AtomicLongArray(wordCount);
        long blockCount = expected.blockCount();
        for (long block = 0; block < blockCount; ) {
            long last = expected.lastAlike(block);
            if (expected.isKnown(block)) {
                pendingCount.addAndGet(last - block + 1);
            } else {
                setAll(settled, block, last);
            }
            block = last + 1;
        }
        for (Blocks blocks : suspect) {
            for (long block = blocks.first(); block <= Math.min(blocks.last(), blockCount - 1); block++) {
                setAll(changed, block, block);
                pendingCount.addAndGet(isPending(block) ? -1 : 0);
                setAll(settled, block, block);
                noteChanged(block);
            }
        }
    }

    /** Passes over what RAM holds already; before anything is loaded or written. */
    public void passOver(ChunkStore store) {
        for (long block = 0; block < expected.blockCount(); block++) {
            if (isPending(block) && isLoaded(store, block)) {
                settleOnce(block, false);
            }
        }
    }

    /** A check of an image of which nothing is known. */
    static ImageCheck none(Backing image, Faults faults) {
        return new ImageCheck(ImageChecksums.unknown(image.sizeBytes()), List.of(), image, faults, blocks -> {
            throw new IllegalStateException("nothing is known, so nothing can be changed: " + blocks);
        });
    }

    private static void setAll(AtomicLongArray plane, long first, long last) {
        for (long word = first >>> 6; word <= last >>> 6; word++) {
            long from = Math.max(first, word << 6);
            long to = Math.min(last, (word << 6) + 63);
            long mask = (-1L << from) & (-1L >>> (63 - to));
            plane.getAndUpdate((int) word, bits -> bits | mask);
        }
    }

    private static boolean isSet(AtomicLongArray plane, long block) {
        return (plane.get((int) (block >>> 6)) >>> block & 1) != 0;
    }

    // ------------------------------------------------------------------------------------------------------ state

    /** Whether every block is settled, and none was changed: there is nothing to look at any more. */
    boolean isOver() {
        return pendingCount.get() == 0 && changedCount.get() == 0;
    }

    /** Whether a block must be read as a whole. */
    boolean isPending(long block) {
        return !isSet(settled, block);
    }

    /** Whether a block was changed by somebody else. */
    boolean isChanged(long block) {
        return isSet(changed, block);
    }

    /** How many bytes were changed behind our back, in whole blocks; those included that were overwritten since. */
    public long changedBytes() {
        return Math.min(expected.imageBytes(), changedCount.get() * ImageChecksums.BLOCK_BYTES);
    }

    /** How many blocks could not be checked, because a part of them could not be read. */
    public long uncheckedCount() {
        return uncheckedCount.get();
    }

    /** What was found first, in words; null if nothing was. */
    public @Nullable String changedText() {
        String first = changedText;
        long count = changedCount.get();
        return first == null ? null : count == 1 ? first : first + " (and " + (count - 1) + " more MiB)";
    }

    /** The blocks that were changed behind our back, of those that the device still lacks a part of. */
    public List<Blocks> changedBlocks(ChunkStore store) {
        return ranges(block -> isChanged(block) && !isLoaded(store, block));
    }

    private List<Blocks> ranges(LongPredicate isWanted) {
        List<Blocks> ranges = new ArrayList<>();
        for (int word = 0; word < changed.length(); word++) {
            for (long rest = changed.get(word); rest != 0; rest &= rest - 1) {
                long block = ((long) word << 6) + Long.numberOfTrailingZeros(rest);
                if (isWanted.test(block)) {
                    Blocks before = ranges.isEmpty() ? null : ranges.getLast();
                    if (before != null && before.last() == block - 1) {
                        ranges.removeLast();
                        ranges.add(new Blocks(before.first(), block));
                    } else {
                        ranges.add(new Blocks(block, block));
                    }
                }
            }
        }
        return ranges;
    }

    static boolean isLoaded(ChunkStore store, long block) {
        long begin = block * ImageChecksums.BLOCK_BYTES;
        long length = Math.min(ImageChecksums.BLOCK_BYTES, store.layout().sizeBytes() - begin);
        return store.isLoaded(begin, length);
    }

    /** What is still known of the image's blocks that the device does not hold: nothing of those that were written in part. */
    void addExpected(long block, ImageChecksums.Builder into) {
        if (isPending(block) || (isChanged(block) && expected.isKnown(block))) {
            into.addAs(expected);
        } else {
            into.addUnknown(1);
        }
    }

    // ---------------------------------------------------------------------------------------------------- settling

    /**
     * Whether a block may be installed.
     *
     * @param bytes all of it, as it was read from the image
     */
    boolean isGood(long block, MemorySegment bytes) {
        if (isPending(block)) {
            settle(block, expected.fits(block, ImageChecksums.crcOf(bytes)));
        }
        return !isChanged(block);
    }

    /** Whether a block that lies in a hole of the image may be taken for zeroes. */
    boolean isGoodHole(long block) {
        if (isPending(block)) {
            settle(block, expected.isZero(block));
        }
        return !isChanged(block);
    }

    /** Gives up the check of a block of which not everything can be read: what can is served. */
    void giveUp(long block) {
        if (settleOnce(block, false)) {
            uncheckedCount.incrementAndGet();
        }
    }

    private void settle(long block, boolean isAsItWas) {
        if (settleOnce(block, !isAsItWas) && !isAsItWas) {
            noteChanged(block);
            onChanged.accept(ranges(this::isChanged));
        }
    }

    /** The first one says what it is. The mark comes before the block is settled: whoever finds it settled finds the mark. */
    private synchronized boolean settleOnce(long block, boolean isMarked) {
        if (!isPending(block)) {
            return false;
        }
        if (isMarked) {
            setAll(changed, block, block);
        }
        setAll(settled, block, block);
        pendingCount.decrementAndGet();
        return true;
    }

    private void noteChanged(long block) {
        long begin = block * ImageChecksums.BLOCK_BYTES;
        long count = changedCount.incrementAndGet();
        String text = "the image was changed behind our back at bytes " + begin + " to "
                + (begin + expected.lengthOf(block) - 1)
                + ", which are not served; restart with --adopt-image to take it as it is";
        if (count == 1) {
            changedText = text;
        }
        faults.noteChanged(text, begin);
    }

    // ----------------------------------------------------------------------------------------------------- writing

    /** The image for whoever changes it: settles each block before anything of it is written. */
    public GuardedImage guarded() {
        return new GuardedImage(image, this);
    }

    void settleBefore(long offsetBytes, long lengthBytes) {
        if (pendingCount.get() == 0 || lengthBytes == 0) {
            return;
        }
        long last = (offsetBytes + lengthBytes - 1) / ImageChecksums.BLOCK_BYTES;
        for (long block = offsetBytes / ImageChecksums.BLOCK_BYTES; block <= last; block++) {
            if (isPending(block)) {
                readAndSettle(block);
            }
        }
    }

    private void readAndSettle(long block) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(expected.lengthOf(block), BUFFER_ALIGNMENT);
            image.read(block * ImageChecksums.BLOCK_BYTES, bytes);
            isGood(block, bytes);
        } catch (IOException e) {
            // What is to be written there may be what mends it, and must not wait for ever.
            faults.note(Faults.Kind.LOAD, block * ImageChecksums.BLOCK_BYTES, e);
            giveUp(block);
        }
    }
}
