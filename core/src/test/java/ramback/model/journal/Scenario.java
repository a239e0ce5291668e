package ramback.model.journal;

import static java.util.stream.Collectors.joining;

import java.util.List;
import ramback.device.Mode;

/**
 * A small case, all of whose interleavings are explored.
 *
 * @param name how tables call it
 * @param mode the mode at the beginning
 * @param slotCount how many versions the staging ring holds
 * @param writerSlotCount how many of them the sealer leaves to writers
 * @param journalUnits what fits into the journal: each version and each epoch takes one
 * @param journalFailureCount how many syncs of the journal may fail
 * @param imageFailureCount how many syncs of the image may fail
 * @param killCount how often the process may be killed
 * @param scripts the requests of each client, one after the other; writes are numbered in this order
 */
record Scenario(
        String name,
        Mode mode,
        int slotCount,
        int writerSlotCount,
        int journalUnits,
        int journalFailureCount,
        int imageFailureCount,
        int killCount,
        List<List<Request>> scripts) {

    /** A journal in which everything fits that a small case has. */
    private static final int AMPLE = 63;

    Scenario {
        long stores =
                scripts.stream().flatMap(List::stream).filter(Request::isStore).count();
        if (scripts.size() > World.CLIENT_COUNT_MAX || stores > Ledger.ID_MAX) {
            throw new IllegalArgumentException("too much for the widths of the state: " + name);
        }
    }

    /** A case with an ample journal and ring, and without failures. */
    @SafeVarargs
    @SuppressWarnings("varargs") // the scripts are only read
    static Scenario scenario(String name, Mode mode, List<Request>... scripts) {
        return new Scenario(name, mode, World.CHUNK_COUNT, 0, AMPLE, 0, 0, 0, List.of(scripts));
    }

    Scenario withSlots(int count, int forWriters) {
        return new Scenario(
                name,
                mode,
                count,
                forWriters,
                journalUnits,
                journalFailureCount,
                imageFailureCount,
                killCount,
                scripts);
    }

    Scenario withJournal(int units) {
        return new Scenario(
                name,
                mode,
                slotCount,
                writerSlotCount,
                units,
                journalFailureCount,
                imageFailureCount,
                killCount,
                scripts);
    }

    Scenario withFailures(int ofJournal, int ofImage) {
        return new Scenario(
                name, mode, slotCount, writerSlotCount, journalUnits, ofJournal, ofImage, killCount, scripts);
    }

    Scenario withKill() {
        return new Scenario(
                name,
                mode,
                slotCount,
                writerSlotCount,
                journalUnits,
                journalFailureCount,
                imageFailureCount,
                1,
                scripts);
    }

    /** The number of a client's first write among all writes, from 1 on. */
    int firstId(int client) {
        return 1
                + (int) scripts.subList(0, client).stream()
                        .flatMap(List::stream)
                        .filter(Request::isStore)
                        .count();
    }

    /** How it begins, in words. */
    String beginning() {
        StringBuilder words = new StringBuilder(mode.word());
        if (slotCount < World.CHUNK_COUNT) {
            words.append(", a ring of ").append(slotCount);
        }
        if (writerSlotCount > 0) {
            words.append(", ").append(writerSlotCount).append(" slot for writers");
        }
        if (journalUnits < AMPLE) {
            words.append(", a journal of ").append(journalUnits);
        }
        if (journalFailureCount + imageFailureCount > 0) {
            words.append(", failures: ")
                    .append(journalFailureCount)
                    .append(" of the journal, ")
                    .append(imageFailureCount)
                    .append(" of the image");
        }
        words.append(killCount == 0 ? "" : ", killed once");
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
