package ramback.model.journal;

import ramback.model.Bits;

/** The image, behind a volatile cache: until a sync, any subset of what was written survives, of a chunk also half. */
final class Image {

    private static final int VALUE_COUNT = 1 << World.VALUE_BITS;

    /** What reading it gives. */
    private final int[] page = new int[World.CHUNK_COUNT];
    /** Chunks written since the last sync. */
    private int unsynced;
    /** For each chunk, the values one of which is there after a loss of power, as a mask. */
    private final int[] survives = new int[World.CHUNK_COUNT];

    Image() {
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            survives[chunk] = 1 << World.INITIAL;
        }
    }

    void layout(Bits bits) {
        bits.fields(page, World.VALUE_BITS);
        unsynced = bits.field(unsynced, World.CHUNK_COUNT);
        bits.fields(survives, VALUE_COUNT);
    }

    /** The values of a chunk one of which is there after a loss of power, as a mask. */
    int survives(int chunk) {
        return survives[chunk];
    }

    void write(int chunk, int value) {
        page[chunk] = value;
        survives[chunk] |= 1 << value;
        if (survives[chunk] != 1 << value) {
            survives[chunk] |= 1 << World.TORN;
        }
        unsynced |= 1 << chunk;
    }

    /** Makes durable what was written. */
    void sync() {
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            survives[chunk] = World.has(unsynced, chunk) ? 1 << page[chunk] : survives[chunk];
        }
        unsynced = 0;
    }

    /** A sync that fails: what was written may be lost and is taken as clean by the next sync, as Linux does. */
    void failSync() {
        unsynced = 0;
    }
}
