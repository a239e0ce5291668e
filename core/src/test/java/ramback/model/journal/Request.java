package ramback.model.journal;

import ramback.device.Mode;

/**
 * One request of a client, or of the operator. Chunks are a mask; a request covers them from the first byte to the last,
 * for parts of chunks are the other model's.
 *
 * @param chunks what it is about
 * @param forced a write with FUA
 * @param mode the new mode, for {@link Kind#MODE}
 */
record Request(Kind kind, int chunks, boolean forced, Mode mode) {

    enum Kind {
        /** Data, in one run. */
        WRITE,
        /** Zeroes without data, in one run. */
        ZERO,
        FLUSH,
        /** The operator changes the mode. */
        MODE
    }

    static final int FIRST = 0b01;
    static final int SECOND = 0b10;
    static final int BOTH = 0b11;

    static Request write(int chunks) {
        return new Request(Kind.WRITE, chunks, false, Mode.UNSAFE);
    }

    static Request writeForced(int chunks) {
        return new Request(Kind.WRITE, chunks, true, Mode.UNSAFE);
    }

    static Request zero(int chunks) {
        return new Request(Kind.ZERO, chunks, false, Mode.UNSAFE);
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

    @Override
    public String toString() {
        return switch (kind) {
            case WRITE -> (forced ? "write (FUA) " : "write ") + range();
            case ZERO -> "zero " + range();
            case FLUSH -> "flush";
            case MODE -> "mode " + mode.word();
        };
    }

    private String range() {
        return ((chunks & FIRST) != 0 ? "[x]" : "[.]") + ((chunks & SECOND) != 0 ? "[x]" : "[.]");
    }
}
