package ramback.model;

/**
 * A state as a row of long words. One method of each part of a state names its fields with their widths; run forward
 * it writes them here, run backward it reads them.
 */
public final class Bits {

    private static final int WORD_COUNT_MAX = 10;

    private final long[] words = new long[WORD_COUNT_MAX];
    private int at;
    private boolean writing;

    /** Begins to write a state. */
    public void write() {
        java.util.Arrays.fill(words, 0);
        at = 0;
        writing = true;
    }

    /** Begins to read the state that lies in an array from here on. */
    public void read(long[] from, int offset, int wordCount) {
        System.arraycopy(from, offset, words, 0, wordCount);
        at = 0;
        writing = false;
    }

    /** Writes a number of 0 to 2^width − 1, or reads one; to be assigned to where it came from. */
    public int field(int value, int width) {
        int word = at >>> 6;
        int shift = at & 63;
        if (shift + width > 64) {
            word++;
            shift = 0;
        }
        at = (word << 6) + shift + width;
        if (!writing) {
            return (int) (words[word] >>> shift) & ((1 << width) - 1);
        }
        if (value >>> width != 0) {
            throw new IllegalStateException(value + " does not fit into " + width + " bits");
        }
        words[word] |= (long) value << shift;
        return value;
    }

    /** As {@link #field}, for numbers of −2^(width−1) to 2^(width−1) − 1. */
    public int signed(int value, int width) {
        int bias = 1 << (width - 1);
        return field(value + bias, width) - bias;
    }

    /** As {@link #field}, for a truth value. */
    public boolean flag(boolean value) {
        return field(value ? 1 : 0, 1) == 1;
    }

    /** As {@link #field}, for each number of an array. */
    public void fields(int[] values, int width) {
        for (int i = 0; i < values.length; i++) {
            values[i] = field(values[i], width);
        }
    }

    /** An enum's constant, of at most 64. */
    public <E extends Enum<E>> E constant(E value, E[] constants) {
        return constants[field(value.ordinal(), 6)];
    }

    /** A word of the state. */
    public long word(int index) {
        return words[index];
    }

    /** How many words have been used. */
    public int wordCount() {
        return (at + 63) >>> 6;
    }
}
