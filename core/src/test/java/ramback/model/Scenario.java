package ramback.model;

import static java.util.stream.Collectors.joining;

import java.util.List;
import ramback.device.Mode;

/**
 * A small case, all of whose interleavings are explored.
 *
 * @param name how tables call it
 * @param mode the mode at the beginning
 * @param loaded chunks that are in RAM at the beginning
 * @param holes chunks that are a hole in the image at the beginning; the others hold data
 * @param isSparse whether memory is taken when it is needed and given back; the chunks share one granule
 * @param isSplit whether the chunks lie in different words of the planes
 * @param hasParts whether write-behind makes each run durable and clean before it writes the next
 * @param failureCount how many writes or syncs of the image may fail
 * @param readsAreAtomic see {@link #withAtomicReads}
 * @param killCount how often the process is killed while it serves; one of its successors is killed while it attaches, too
 * @param scripts the requests of each client, one after the other; writes are numbered in this order
 */
record Scenario(
        String name,
        Mode mode,
        int loaded,
        int holes,
        boolean isSparse,
        boolean isSplit,
        boolean hasParts,
        int failureCount,
        boolean readsAreAtomic,
        int killCount,
        List<List<Request>> scripts) {

    Scenario {
        long stores =
                scripts.stream().flatMap(List::stream).filter(Request::isStore).count();
        if (scripts.size() > World.CLIENT_COUNT_MAX || stores >= Ledger.ID_COUNT) {
            throw new IllegalArgumentException("too much for the widths of the state: " + name);
        }
    }

    /** A case that begins with nothing loaded, in memory that is all there, on an image without holes or failures. */
    @SafeVarargs
    @SuppressWarnings("varargs") // the scripts are only read
    static Scenario scenario(String name, Mode mode, List<Request>... scripts) {
        return new Scenario(name, mode, 0, 0, false, false, false, 0, false, 0, List.of(scripts));
    }

    Scenario inRam() {
        return withLoaded(World.ALL_CHUNKS);
    }

    Scenario withLoaded(int chunks) {
        return with(chunks, holes, isSparse, isSplit, hasParts, failureCount, readsAreAtomic, killCount);
    }

    Scenario withHoles(int chunks) {
        return with(loaded, chunks, isSparse, isSplit, hasParts, failureCount, readsAreAtomic, killCount);
    }

    Scenario sparse() {
        return with(loaded, holes, true, isSplit, hasParts, failureCount, readsAreAtomic, killCount);
    }

    Scenario split() {
        return with(loaded, holes, isSparse, true, hasParts, failureCount, readsAreAtomic, killCount);
    }

    /** With a word a chunk, and each of them a part of the round. */
    Scenario inParts() {
        return with(loaded, holes, isSparse, true, true, failureCount, readsAreAtomic, killCount);
    }

    Scenario withFailures(int count) {
        return with(loaded, holes, isSparse, isSplit, hasParts, count, readsAreAtomic, killCount);
    }

    /** Asks for more than is promised: no read returns something older than what a read before it returned. */
    Scenario withAtomicReads() {
        return with(loaded, holes, isSparse, isSplit, hasParts, failureCount, true, killCount);
    }

    /** The process is killed at any moment, and the next one attaches to its RAM; so many times. */
    Scenario withKills(int count) {
        return with(loaded, holes, isSparse, isSplit, hasParts, failureCount, readsAreAtomic, count);
    }

    private Scenario with(
            int newLoaded,
            int newHoles,
            boolean newSparse,
            boolean newSplit,
            boolean newParts,
            int newFailures,
            boolean newAtomic,
            int newKills) {
        return new Scenario(
                name,
                mode,
                newLoaded,
                newHoles,
                newSparse,
                newSplit,
                newParts,
                newFailures,
                newAtomic,
                newKills,
                scripts);
    }

    boolean hasKill() {
        return killCount != 0;
    }

    /** The number of a client's first write among all writes, from 1 on. */
    int firstId(int client) {
        return 1
                + (int) scripts.subList(0, client).stream()
                        .flatMap(List::stream)
                        .filter(Request::isStore)
                        .count();
    }

    /** The chunks of a mask that lie in the first word that any of them lies in. */
    int firstWord(int chunks) {
        return isSplit ? Integer.lowestOneBit(chunks) : chunks;
    }

    /** How it begins, in words. */
    String beginning() {
        StringBuilder words = new StringBuilder(mode.word());
        words.append(loaded == 0 ? ", nothing loaded" : loaded == 1 ? ", the first chunk loaded" : ", loaded");
        words.append(holes == 0 ? "" : ", the second chunk a hole");
        words.append(isSparse ? ", sparse" : "");
        words.append(isSplit ? ", a word a chunk" : "");
        words.append(hasParts ? ", in parts" : "");
        words.append(failureCount == 0 ? "" : ", failures: " + failureCount);
        words.append(killCount == 0 ? "" : killCount == 1 ? ", killed once" : ", killed twice");
        return words.toString();
    }

    /** What the clients do, in words. */
    String requests() {
        return scripts.stream()
                .map(script -> script.stream().map(Request::toString).collect(joining(", ")))
                .collect(joining(" ∥ "));
    }

    @Override
    public String toString() {
        return name;
    }
}
