package ramback.model;

import ramback.device.Mode;

/**
 * One request of a client. The device has two chunks of two halves; half h belongs to chunk h / 2, and a set of halves,
 * or of chunks, is a mask.
 *
 * @param halves what it is about
 * @param forced a write with FUA
 * @param mode the new mode, for {@link Kind#MODE}
 */
record Request(Kind kind, int halves, boolean forced, Mode mode) {

    enum Kind {
        READ,
        /** Data into halves. */
        WRITE,
        /** Whole chunks become zeroes without data, or a half of a chunk becomes zero. */
        ZERO,
        FLUSH,
        /** Not a client's: the operator changes the mode. */
        MODE
    }

    static final int FIRST = 0b0011;
    static final int SECOND = 0b1100;
    static final int BOTH = 0b1111;
    /** The first chunk and half of the second. */
    static final int ONE_AND_A_HALF = 0b0111;
    /** Half of the first chunk. */
    static final int PART = 0b0010;
    /** Half of the second chunk. */
    static final int SECOND_PART = 0b1000;

    static Request read(int halves) {
        return new Request(Kind.READ, halves, false, Mode.UNSAFE);
    }

    static Request write(int halves) {
        return new Request(Kind.WRITE, halves, false, Mode.UNSAFE);
    }

    static Request writeForced(int halves) {
        return new Request(Kind.WRITE, halves, true, Mode.UNSAFE);
    }

    static Request zero(int halves) {
        return new Request(Kind.ZERO, halves, false, Mode.UNSAFE);
    }

    static Request flush() {
        return new Request(Kind.FLUSH, BOTH, false, Mode.UNSAFE);
    }

    static Request mode(Mode mode) {
        return new Request(Kind.MODE, 0, false, mode);
    }

    boolean isStore() {
        return kind == Kind.WRITE || kind == Kind.ZERO;
    }

    /** The chunks it touches. */
    int chunks() {
        return chunksOf(halves);
    }

    /** The chunks it covers from the first byte to the last. */
    int wholeChunks() {
        return wholeChunksOf(halves);
    }

    static int wholeChunksOf(int halves) {
        return ((halves & FIRST) == FIRST ? 1 : 0) | ((halves & SECOND) == SECOND ? 2 : 0);
    }

    static int chunksOf(int halves) {
        return ((halves & FIRST) != 0 ? 1 : 0) | ((halves & SECOND) != 0 ? 2 : 0);
    }

    static int halvesOf(int chunks) {
        return ((chunks & 1) != 0 ? FIRST : 0) | ((chunks & 2) != 0 ? SECOND : 0);
    }

    @Override
    public String toString() {
        return switch (kind) {
            case READ -> "read " + range();
            case WRITE -> (forced ? "write (FUA) " : "write ") + range();
            case ZERO -> "zero " + range();
            case FLUSH -> "flush";
            case MODE -> "mode " + mode.word();
        };
    }

    /** The halves in the order of their addresses, chunks in brackets: [x.][..] is half of the first chunk. */
    private String range() {
        StringBuilder range = new StringBuilder();
        for (int half = 0; half < World.HALF_COUNT; half++) {
            range.append(half % 2 == 0 ? "[" : "");
            range.append((halves >>> half & 1) != 0 ? 'x' : '.');
            range.append(half % 2 == 1 ? "]" : "");
        }
        return range.toString();
    }
}
