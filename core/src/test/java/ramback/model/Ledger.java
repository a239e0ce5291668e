package ramback.model;

import java.util.List;

/**
 * What applications have been told, and so what they may rely on: the model's truth, which the protocol never looks at.
 * Writes have ids from 1 on, the content before all of them is 0; a set of writes is a mask of ids. Each half of a chunk
 * is a register of its own.
 */
final class Ledger {

    static final int ID_COUNT = 5;

    private final int[] halvesOf = new int[ID_COUNT];
    private final int[] valueOf = new int[ID_COUNT];
    private final int initialZeroHalves;

    /** Writes that have been acknowledged. */
    int acknowledged;

    /** Writes that a read has returned and nobody has acknowledged: they come before all that are issued from now on. */
    private int seen;

    /** Writes that a killed process had under way: so do they, whether they are there or not. */
    private int lost;

    /** For each write, those that had been acknowledged, seen or lost when it was issued: it comes after them. */
    private final int[] before = new int[ID_COUNT];

    /** For each half, the writes whose value it may have for who asks now. */
    final int[] current = new int[World.HALF_COUNT];

    /** For each half, the writes whose value it may have after a loss of power. */
    final int[] durable = new int[World.HALF_COUNT];

    Ledger(Scenario scenario) {
        initialZeroHalves = Request.halvesOf(scenario.holes());
        int id = 0;
        for (List<Request> script : scenario.scripts()) {
            for (Request request : script) {
                if (request.isStore()) {
                    id++;
                    halvesOf[id] = request.halves();
                    valueOf[id] = request.kind() == Request.Kind.ZERO ? World.ZEROES : World.INITIAL + id;
                }
            }
        }
        acknowledged = 1;
        for (int half = 0; half < World.HALF_COUNT; half++) {
            current[half] = 1;
            durable[half] = 1;
        }
    }

    void layout(Bits bits) {
        acknowledged = bits.field(acknowledged, ID_COUNT);
        seen = bits.field(seen, ID_COUNT);
        lost = bits.field(lost, ID_COUNT);
        for (int id = 1; id < ID_COUNT; id++) {
            before[id] = bits.field(before[id], ID_COUNT);
        }
        bits.fields(current, ID_COUNT);
        bits.fields(durable, ID_COUNT);
    }

    /** The halves that a write writes. */
    int halvesOf(int id) {
        return halvesOf[id];
    }

    /** What a write writes. */
    int valueOf(int id) {
        return valueOf[id];
    }

    /** A write has been issued: from now on its value may be seen. */
    void issue(int id) {
        before[id] = acknowledged | seen | lost;
        for (int half = 0; half < World.HALF_COUNT; half++) {
            if ((halvesOf[id] >>> half & 1) != 0) {
                current[half] |= 1 << id;
                durable[half] |= 1 << id;
            }
        }
    }

    /** A write has been acknowledged: nothing that came before it may be seen any more. */
    void acknowledge(int id) {
        acknowledged |= 1 << id;
        seen &= ~(1 << id);
        supersede(current, id);
    }

    /** A read has returned a value: if reads are atomic, what came before its write may not be seen any more. */
    void noteSeen(int value, int half) {
        for (int id = 1; id < ID_COUNT; id++) {
            if (valueOf[id] == value && value != World.ZEROES) {
                current[half] &= ~before[id];
            }
        }
    }

    /** A read has returned a value: what is issued from now on comes after its write, if that is known from the value. */
    void noteRead(int value) {
        for (int id = 1; id < ID_COUNT; id++) {
            // Of a write of several chunks only the chunk that was read would be known.
            boolean isOfOneChunk = Integer.bitCount(Request.chunksOf(halvesOf[id])) == 1;
            if (valueOf[id] == value && value != World.ZEROES && isOfOneChunk && (acknowledged >>> id & 1) == 0) {
                seen |= 1 << id;
            }
        }
    }

    /** The process was killed that had these writes under way. What a read has returned must not disappear. */
    void lose(int ids) {
        for (int id = 1; id < ID_COUNT; id++) {
            if ((seen >>> id & 1) != 0) {
                supersede(current, id);
            }
        }
        lost |= ids;
        seen = 0;
    }

    /** No write is under way, and none that was will come to be any more: a half keeps the value it has now. */
    void settle(int half, int value) {
        for (int id = 0; id < ID_COUNT; id++) {
            current[half] &= isAmong(value, 1 << id, half) ? -1 : ~(1 << id);
        }
    }

    /** Whether the two halves of a chunk may have these values when each write gives it all it has for it, or nothing. */
    boolean isWhole(int chunk, int firstValue, int secondValue) {
        int first = 2 * chunk;
        int second = first + 1;
        for (int id = 0; id < ID_COUNT; id++) {
            for (int other = 0; other < ID_COUNT; other++) {
                boolean isThere = (current[first] >>> id & 1) != 0 && (current[second] >>> other & 1) != 0;
                if (isThere
                        && isAmong(firstValue, 1 << id, first)
                        && isAmong(secondValue, 1 << other, second)
                        && (id == other || isOrder(id, other, first, second))) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Whether of two writes one can have been the last of a half, and the other one the last of another half. */
    private boolean isOrder(int id, int other, int half, int otherHalf) {
        boolean isOverwritten = writes(other, half);
        boolean overwrites = writes(id, otherHalf);
        if (isOverwritten && overwrites) {
            return false;
        }
        if (!isOverwritten && !overwrites) {
            return true;
        }
        int earlier = isOverwritten ? id : other;
        int later = isOverwritten ? other : id;
        return (before[later] >>> earlier & 1) == 0;
    }

    /** The content before all writes was written everywhere. */
    private boolean writes(int id, int half) {
        return id == 0 || (halvesOf[id] >>> half & 1) != 0;
    }

    /** A write has been promised to be durable. */
    void promise(int id) {
        supersede(durable, id);
    }

    /** All of these writes have been promised to be durable. */
    void promiseAll(int ids) {
        for (int id = 1; id < ID_COUNT; id++) {
            if ((ids >>> id & 1) != 0) {
                promise(id);
            }
        }
    }

    private void supersede(int[] allowed, int id) {
        for (int half = 0; half < World.HALF_COUNT; half++) {
            if ((halvesOf[id] >>> half & 1) != 0) {
                allowed[half] &= ~before[id];
            }
        }
    }

    /** Whether one of these writes gives a half this value. */
    boolean isAmong(int value, int ids, int half) {
        return (valuesOf(ids, half) >>> value & 1) != 0;
    }

    /** The values these writes give a half, as a mask of values. */
    int valuesOf(int ids, int half) {
        int values = 0;
        if ((ids & 1) != 0) {
            values |= 1 << ((initialZeroHalves >>> half & 1) != 0 ? World.ZEROES : World.INITIAL);
        }
        for (int id = 1; id < ID_COUNT; id++) {
            if ((ids >>> id & 1) != 0) {
                values |= 1 << valueOf[id];
            }
        }
        return values;
    }
}
