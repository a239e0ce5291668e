package ramback.image;

import static ramback.image.ChunkTable.maskOf;
import static ramback.image.ChunkTable.wordOf;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import ramback.memory.RedoSlot;
import ramback.memory.SharedSegment;
import ramback.mutant.KillPoint;
import ramback.mutant.Mutant;
import ramback.posix.PosixException;

/**
 * Goes on with the memory that a killed process left (design: attach). Nothing that was there is read from the image again:
 *
 * <ol>
 *   <li>stores that were under way are done again, each whole;
 *   <li>chunks that are not loaded are as if nobody had ever touched them;
 *   <li>what of the others the image may lack is dirty in the first epoch; counts follow;
 *   <li>memory of a sparse device that nothing is in is given back, or found again as a candidate for that.
 * </ol>
 *
 * <p>It may be killed anywhere and begun again. Before the first session is opened and the first thread started; used by one thread.
 */
public final class TakeOver {

    private final ChunkStore store;
    private final SharedSegment segment;
    private final ChunkTable table;
    private final Epochs epochs;
    private final DirtyCount dirty;
    private final int shift;
    private final int parity;

    private TakeOver(ChunkStore store, SharedSegment segment, Epochs epochs, DirtyCount dirty) {
        this.store = store;
        this.segment = segment;
        this.table = store.table();
        this.epochs = epochs;
        this.dirty = dirty;
        this.shift = store.layout().chunkShift();
        this.parity = (int) (epochs.open() & 1);
    }

    /**
     * Takes over what is in a segment.
     *
     * @param store over this segment
     * @param epochs of that store; the open one is where everything goes that the image may lack
     * @param dirty of that store, nothing counted yet
     * @return how many chunks are dirty now
     * @throws PosixException when memory can't be given back; everything else is done
     */
    public static long run(ChunkStore store, SharedSegment segment, Epochs epochs, DirtyCount dirty)
            throws PosixException {
        return new TakeOver(store, segment, epochs, dirty).run();
    }

    private long run() throws PosixException {
        for (int i = 0; i < store.layout().redoSlotCount(); i++) {
            RedoSlot slot = segment.redoSlot(i);
            if (slot.isBegun()) {
                if (!Mutant.TAKE_OVER_WITHOUT_REDO.isOn()) {
                    redo(slot);
                }
                slot.end();
                KillPoint.pass();
            }
        }
        // Of clients that went with their daemon.
        segment.releaseStaging();
        long loaded = 0;
        long data = 0;
        long zeroes = 0;
        long zeroRuns = 0;
        table.clearRegions();
        for (long word = 0; word < table.wordCount(); word++) {
            long changed = table.takeOver(parity, word);
            loaded += Long.bitCount(table.loaded(word));
            if (changed != 0) {
                long zero = changed & table.zero(word);
                data += Long.bitCount(changed & ~zero);
                zeroes += Long.bitCount(zero);
                zeroRuns += Long.bitCount(zero & ~(zero << 1));
            }
        }
        table.endTakeOver();
        store.noteLoaded(loaded);
        dirty.noteTakenOver(parity, data, zeroes, zeroRuns);
        if (data + zeroes > 0) {
            epochs.noteDirty(epochs.open());
        }
        store.takeOverMemory();
        return data + zeroes;
    }

    /** Does a store again, from its beginning; as {@link ChunkStore#store} does it, but that everything is locked already. */
    private void redo(RedoSlot slot) {
        long offset = slot.offsetBytes();
        int length = slot.lengthBytes();
        MemorySegment bytes = slot.bytes();
        long first = offset >>> shift;
        long last = (offset + length - 1) >>> shift;
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            table.markRedone(parity, word, maskOf(word, first, last));
            KillPoint.pass();
        }
        VarHandle.storeStoreFence();
        store.fillPartialZeroes(first, last, offset, length);
        store.put(bytes, 0, offset, length);
        VarHandle.storeStoreFence();
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            table.publishLoaded(word, maskOf(word, first, last));
            KillPoint.pass();
            table.publishData(word, maskOf(word, first, last));
            KillPoint.pass();
        }
    }
}
