package ramback.model.journal;

import java.util.List;
import ramback.model.Bits;

/**
 * What applications have been told, and what the device's content was at each cut: the model's truth, which the protocol
 * never looks at. Writes have ids from 1 on, a set of writes is a mask of ids.
 */
final class Ledger {

    static final int ID_MAX = 5;
    private static final int ID_COUNT = ID_MAX + 1;

    private final int[] valueOf = new int[ID_COUNT];

    /** Writes that have been acknowledged. */
    int acknowledged;

    /** Writes that must be there after a loss of power. */
    int promised;

    /** For each write, those that had been acknowledged when it was issued: it comes after them. */
    private final int[] before = new int[ID_COUNT];

    /** For each write, the epoch it was stored in; 0 while it has not been. */
    private final int[] epochOf = new int[ID_COUNT];

    /** The content now. */
    private final int[] atOpen = new int[World.CHUNK_COUNT];

    /** The content at the last cut. */
    private final int[] atSealed = new int[World.CHUNK_COUNT];

    /** The content at the cut that was committed last. */
    final int[] atCommitted = new int[World.CHUNK_COUNT];

    Ledger(Scenario scenario) {
        int id = 0;
        for (List<Request> script : scenario.scripts()) {
            for (Request request : script) {
                if (request.isStore()) {
                    id++;
                    valueOf[id] = request.kind() == Request.Kind.ZERO ? World.ZEROES : id;
                }
            }
        }
    }

    void layout(Bits bits) {
        acknowledged = bits.field(acknowledged, ID_COUNT);
        promised = bits.field(promised, ID_COUNT);
        for (int id = 1; id < ID_COUNT; id++) {
            before[id] = bits.field(before[id], ID_COUNT);
            epochOf[id] = bits.field(epochOf[id], 4);
        }
        bits.fields(atOpen, World.VALUE_BITS);
        bits.fields(atSealed, World.VALUE_BITS);
        bits.fields(atCommitted, World.VALUE_BITS);
    }

    /** What a write writes. */
    int valueOf(int id) {
        return valueOf[id];
    }

    void issue(int id) {
        before[id] = acknowledged;
    }

    /** A write has changed chunks, as a part of an epoch. */
    void store(int id, int chunks, int epoch, int open, int committed) {
        epochOf[id] = epoch;
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            if (World.has(chunks, chunk)) {
                atOpen[chunk] = valueOf[id];
                atSealed[chunk] = epoch < open ? valueOf[id] : atSealed[chunk];
                atCommitted[chunk] = epoch <= committed ? valueOf[id] : atCommitted[chunk];
            }
        }
    }

    void acknowledge(int id) {
        acknowledged |= 1 << id;
    }

    void promise(int ids) {
        promised |= ids;
    }

    void cut() {
        System.arraycopy(atOpen, 0, atSealed, 0, World.CHUNK_COUNT);
    }

    void commit() {
        System.arraycopy(atSealed, 0, atCommitted, 0, World.CHUNK_COUNT);
    }

    /** A new process: whatever is not committed is in the epoch that is open now. */
    void attach(int open) {
        System.arraycopy(atCommitted, 0, atSealed, 0, World.CHUNK_COUNT);
        for (int id = 1; id < ID_COUNT; id++) {
            epochOf[id] = Math.min(epochOf[id], open);
        }
    }

    /** The writes that belong to an epoch or one before it. */
    int storedUpTo(int epoch) {
        int ids = 0;
        for (int id = 1; id < ID_COUNT; id++) {
            ids |= epochOf[id] != 0 && epochOf[id] <= epoch ? 1 << id : 0;
        }
        return ids;
    }

    /** Of these writes, those before which one was acknowledged that is not among them. */
    int withoutPredecessor(int ids) {
        int wrong = 0;
        for (int id = 1; id < ID_COUNT; id++) {
            wrong |= (ids >>> id & 1) != 0 && (before[id] & ~ids) != 0 ? 1 << id : 0;
        }
        return wrong;
    }
}
