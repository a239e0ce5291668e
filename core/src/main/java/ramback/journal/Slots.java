package ramback.journal;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import ramback.mutant.Mutant;

/**
 * The two superblock slots: which of them holds the newest superblock that is known to be durable, and the next one into the
 * other. Each attempt has a sequence of its own, so that what a failed one left never looks like the one after it.
 */
final class Slots {
    private final JournalFile file;
    private Superblock durable;
    private int durableSlot;
    private long sequence;

    /** @param durable what {@code durableSlot} holds */
    Slots(JournalFile file, Superblock durable, int durableSlot) {
        this.file = file;
        this.durable = durable;
        this.durableSlot = durableSlot;
        this.sequence = durable.sequence();
    }

    /** The slots of a file in which a superblock counts; if none does, slot A is written next, with the sequence after that of the first. */
    static Slots of(JournalFile file, JournalScan.@Nullable Placed newest, Superblock first) {
        return newest == null
                ? new Slots(file, first, JournalFormat.SLOT_COUNT - 1)
                : new Slots(file, newest.superblock(), newest.slot());
    }

    /** The newest superblock that is known to be durable. */
    Superblock durable() {
        return durable;
    }

    /** Writes a superblock, with the next sequence, and makes it durable. */
    void put(Superblock superblock) throws IOException {
        put(superblock, true);
    }

    private void put(Superblock superblock, boolean synced) throws IOException {
        Superblock next = superblock.withSequence(++sequence);
        int slot = Mutant.SINGLE_SUPERBLOCK.isOn() ? 0 : 1 - durableSlot;
        file.writeSlot(slot, next);
        if (synced) {
            file.sync();
        }
        durable = next;
        durableSlot = slot;
    }

    /**
     * Writes a superblock into both slots, one after the other, so that the one before is nowhere any more: for what must not be
     * forgotten even if a slot can't be read.
     */
    void putTwice(Superblock superblock) throws IOException {
        put(superblock);
        put(superblock);
    }

    /** Writes the superblock after which space may be used again, and makes it durable. */
    void putTail(Superblock superblock) throws IOException {
        put(superblock, !Mutant.REUSE_EARLY.isOn());
    }
}
