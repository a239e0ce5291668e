package ramback.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Explores every state a model can reach, breadth first, so that the first violation found has a shortest way to it.
 * States are kept whole, not as hashes: "explored" means all of them.
 */
public final class Explorer {

    /** A model: one current state, which actions change. */
    public interface Model {

        /** Makes the initial state the current one. */
        void begin();

        /** Makes a state that {@link #save} wrote the current one. */
        void load(long[] from, int offset);

        /** Writes the current state; always the same number of words. */
        Bits save();

        /** How many actions there are, enabled or not. */
        int actionCount();

        /** Performs an action, or returns false and leaves the current state as it is. */
        boolean act(int action);

        /** What an action does, in words. */
        String describe(int action);

        /** What was wrong with the last action, wherever it led; null if nothing was. */
        @Nullable
        String actionViolation();

        /** What is wrong with the current state; null if nothing is. */
        @Nullable
        String stateViolation();

        /** What is missing in the current state, from which no action leads further; null if all has ended well. */
        @Nullable
        String unfinished();
    }

    /**
     * What was found.
     *
     * @param stateCount states explored
     * @param edgeCount transitions between them
     * @param violation the first violation, or null
     * @param way the actions that lead to it
     */
    public record Result(
            int stateCount, long edgeCount, @Nullable String violation, List<String> way) {}

    private static final int BLOCK_SHIFT = 14;
    private static final int BLOCK_STATES = 1 << BLOCK_SHIFT;

    private final Model model;
    private final int stateCountMax;
    private final int width;
    private final List<long[]> blocks = new ArrayList<>();
    private int count;
    private int[] table = new int[1 << 16];
    private int[] parents = new int[1 << 16];
    private int[] edges = new int[1 << 16];
    private int edgeCount;
    private int[] edgesEnd = new int[1 << 16];

    private Explorer(Model model, int stateCountMax) {
        this.model = model;
        this.stateCountMax = stateCountMax;
        model.begin();
        width = model.save().wordCount();
    }

    /**
     * Explores all states.
     *
     * @param stateCountMax with more states than this the exploration fails
     */
    public static Result explore(Model model, int stateCountMax) {
        return new Explorer(model, stateCountMax).explore();
    }

    private Result explore() {
        model.begin();
        add(model.save(), -1);
        String violation = model.stateViolation();
        if (violation != null) {
            return found(violation, 0);
        }
        for (int from = 0; from < count; from++) {
            boolean stuck = true;
            load(from);
            for (int action = 0; action < model.actionCount(); action++) {
                if (!model.act(action)) {
                    continue;
                }
                stuck = false;
                int known = count;
                int to = add(model.save(), from);
                addEdge(to);
                violation = model.actionViolation();
                if (violation == null && count > known) {
                    violation = model.stateViolation();
                }
                if (violation != null) {
                    return found(violation, to);
                }
                load(from);
            }
            edgesEnd = room(edgesEnd, from);
            edgesEnd[from] = edgeCount;
            if (stuck) {
                violation = model.unfinished();
                if (violation != null) {
                    return found(violation, from);
                }
            }
        }
        String endless = goesRound() ? "END: an execution goes round for ever" : null;
        return new Result(count, edgeCount, endless, List.of());
    }

    private void load(int state) {
        model.load(blocks.get(state >>> BLOCK_SHIFT), (state & (BLOCK_STATES - 1)) * width);
    }

    private static int[] room(int[] array, int index) {
        return index < array.length ? array : Arrays.copyOf(array, array.length * 2);
    }

    private void addEdge(int to) {
        edges = room(edges, edgeCount);
        edges[edgeCount++] = to;
    }

    /** The number of a state, a new one if it was not known. */
    private int add(Bits state, int parent) {
        int mask = table.length - 1;
        int at = hash(state) & mask;
        while (table[at] != 0) {
            if (isEqual(state, table[at] - 1)) {
                return table[at] - 1;
            }
            at = (at + 1) & mask;
        }
        if (count == stateCountMax) {
            throw new IllegalStateException("more than " + stateCountMax + " states");
        }
        if (count >>> BLOCK_SHIFT == blocks.size()) {
            blocks.add(new long[BLOCK_STATES * width]);
        }
        long[] block = blocks.getLast();
        int offset = (count & (BLOCK_STATES - 1)) * width;
        for (int i = 0; i < width; i++) {
            block[offset + i] = state.word(i);
        }
        parents = room(parents, count);
        parents[count] = parent;
        table[at] = ++count;
        if (count * 2 > table.length) {
            grow();
        }
        return count - 1;
    }

    private boolean isEqual(Bits state, int number) {
        long[] block = blocks.get(number >>> BLOCK_SHIFT);
        int offset = (number & (BLOCK_STATES - 1)) * width;
        for (int i = 0; i < width; i++) {
            if (block[offset + i] != state.word(i)) {
                return false;
            }
        }
        return true;
    }

    private int hash(Bits state) {
        long hash = 0;
        for (int i = 0; i < width; i++) {
            hash = mix(hash ^ state.word(i));
        }
        return (int) hash;
    }

    private static long mix(long bits) {
        long mixed = (bits ^ bits >>> 32) * 0x9E3779B97F4A7C15L;
        return mixed ^ mixed >>> 29;
    }

    private void grow() {
        int[] larger = new int[table.length * 2];
        int mask = larger.length - 1;
        for (int number = 0; number < count; number++) {
            long[] block = blocks.get(number >>> BLOCK_SHIFT);
            int offset = (number & (BLOCK_STATES - 1)) * width;
            long hash = 0;
            for (int i = 0; i < width; i++) {
                hash = mix(hash ^ block[offset + i]);
            }
            int at = (int) hash & mask;
            while (larger[at] != 0) {
                at = (at + 1) & mask;
            }
            larger[at] = number + 1;
        }
        table = larger;
    }

    /** Whether there is a cycle; if not, every execution ends, whatever the scheduler does. */
    private boolean goesRound() {
        int[] incoming = new int[count];
        for (int i = 0; i < edgeCount; i++) {
            incoming[edges[i]]++;
        }
        int[] free = new int[count];
        int freeCount = 0;
        for (int state = 0; state < count; state++) {
            if (incoming[state] == 0) {
                free[freeCount++] = state;
            }
        }
        for (int i = 0; i < freeCount; i++) {
            int state = free[i];
            for (int edge = state == 0 ? 0 : edgesEnd[state - 1]; edge < edgesEnd[state]; edge++) {
                if (--incoming[edges[edge]] == 0) {
                    free[freeCount++] = edges[edge];
                }
            }
        }
        return freeCount < count;
    }

    private Result found(String violation, int last) {
        List<Integer> states = new ArrayList<>();
        for (int state = last; state >= 0; state = parents[state]) {
            states.addFirst(state);
        }
        List<String> way = new ArrayList<>();
        for (int i = 1; i < states.size(); i++) {
            way.add(step(states.get(i - 1), states.get(i)));
        }
        return new Result(count, edgeCount, violation, way);
    }

    private String step(int from, int to) {
        for (int action = 0; action < model.actionCount(); action++) {
            load(from);
            String words = model.describe(action);
            if (model.act(action) && isEqual(model.save(), to)) {
                return words;
            }
        }
        throw new IllegalStateException("no action leads there");
    }
}
