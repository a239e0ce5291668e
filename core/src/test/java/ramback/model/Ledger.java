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

    /** For each write, those that had been acknowledged when it was issued: it comes after them. */
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
        for (int id = 1; id < ID_COUNT; id++) {
            before[id] = bits.field(before[id], ID_COUNT);
        }
        bits.fields(current, ID_COUNT);
        bits.fields(durable, ID_COUNT);
    }

    /** What a write writes. */
    int valueOf(int id) {
        return valueOf[id];
    }

    /** A write has been issued: from now on its value may be seen. */
    void issue(int id) {
        before[id] = acknowledged;
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
