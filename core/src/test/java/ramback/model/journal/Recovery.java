package ramback.model.journal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.model.journal.JournalFile.Commit;
import ramback.model.journal.JournalFile.Descriptor;
import ramback.model.journal.JournalFile.Superblock;

/** What {@code recover} makes of a journal and an image. */
final class Recovery {

    /** What it says: the epoch it went back to, or why it changed nothing. */
    static final int TORN = -1;

    static final int FAULT = -2;

    private final Power power;
    private final DiskMutant mutant;
    private final Disk journal;
    private final Disk image;
    private final Map<Integer, Integer> newest = new TreeMap<>();
    private int at;

    Recovery(Power power, Disk journal, Disk image) {
        this.power = power;
        this.mutant = power.mutant;
        this.journal = journal;
        this.image = image;
    }

    /** Recovers; the power may fail meanwhile. */
    int run() {
        Superblock superblock = superblock();
        if (superblock == null) {
            return FAULT;
        }
        if (superblock.isSuspended()) {
            return TORN;
        }
        at = superblock.tail();
        int epoch = superblock.retired();
        int next = take(superblock, epoch + 1);
        while (next > 0) {
            epoch = next;
            next = take(superblock, epoch + 1);
        }
        if (next == FAULT) {
            return FAULT;
        }
        newest.forEach((chunk, value) -> {
            power.tick();
            image.write(chunk, value);
        });
        if (mutant != DiskMutant.RECOVER_NO_IMAGE_FSYNC) {
            power.sync(image);
        }
        Superblock s = superblock;
        power.tick();
        Superblock empty = new Superblock(s.number() + 1, s.salt(), s.saltFirst(), s.saltBefore(), at, epoch, false);
        journal.write(empty.number() + 1 & 1, empty);
        power.sync(journal);
        return epoch;
    }

    private @Nullable Superblock superblock() {
        Superblock best = null;
        for (int slot = 0; slot < JournalFile.SLOT_COUNT; slot++) {
            if (journal.read(slot) instanceof Superblock found && (best == null || found.number() > best.number())) {
                best = found;
            }
        }
        return best;
    }

    private @Nullable Object record(int position) {
        return journal.read(JournalFile.SLOT_COUNT + position % JournalFile.RING_BLOCKS);
    }

    /** Takes an epoch; returns it, or 0 at the end of the log, or {@link #FAULT}. */
    private int take(Superblock superblock, int expected) {
        List<Descriptor> batches = new ArrayList<>();
        Map<Integer, Integer> versions = new TreeMap<>();
        boolean isWhole = true;
        int end = at;
        while (end - superblock.tail() < JournalFile.RING_BLOCKS) {
            Object record = record(end);
            if (record instanceof Descriptor descriptor && isOf(superblock, descriptor, expected, batches.size())) {
                for (int i = 0; i < descriptor.chunks().size(); i++) {
                    Object payload = record(end + 1 + i);
                    isWhole &= descriptor.values().get(i).equals(payload) || isCrcIgnored();
                    versions.put(
                            descriptor.chunks().get(i), payload instanceof Integer value ? value : Integer.MIN_VALUE);
                }
                end += 1 + descriptor.chunks().size();
                batches.add(descriptor);
            } else if (record instanceof Commit commit && ends(superblock, commit, expected, batches)) {
                at = end + 1;
                versions.forEach((chunk, value) -> newest.merge(
                        chunk, value, (old, young) -> mutant == DiskMutant.OLDEST_VERSION_WINS ? old : young));
                return isWhole ? expected : FAULT;
            } else {
                break;
            }
        }
        return endOfLog(superblock, expected);
    }

    private boolean isCrcIgnored() {
        return mutant == DiskMutant.NO_PAYLOAD_CRC || mutant == DiskMutant.SINGLE_SYNC_NO_CRC;
    }

    private boolean isOf(Superblock superblock, Descriptor descriptor, int expected, int number) {
        if (mutant == DiskMutant.NO_EPOCH_TAG) {
            return descriptor.number() == number;
        }
        return descriptor.epoch() == expected
                && descriptor.salt() == superblock.saltOf(expected)
                && descriptor.number() == number;
    }

    private boolean ends(Superblock superblock, Commit commit, int expected, List<Descriptor> batches) {
        boolean isExpected = commit.epoch() == expected && commit.salt() == superblock.saltOf(expected);
        return (isExpected || mutant == DiskMutant.NO_EPOCH_TAG)
                && commit.batchCount() == batches.size()
                && commit.hash() == batches.hashCode();
    }

    /** The log ends here, unless it goes on somewhere else: then something in it has become unreadable. */
    private int endOfLog(Superblock superblock, int expected) {
        for (int i = 0; i < JournalFile.RING_BLOCKS; i++) {
            if (record(i) instanceof Commit commit && commit.salt() == superblock.saltOf(commit.epoch())) {
                int least = mutant == DiskMutant.HIGHER_EPOCHS_ONLY ? expected + 1 : expected;
                if (commit.epoch() >= least && mutant == DiskMutant.SKIP_GAP) {
                    return skipTo(superblock, i);
                }
                if (commit.epoch() >= least && mutant != DiskMutant.EARLY_STOP_ON_ROT) {
                    return FAULT;
                }
            }
        }
        return 0;
    }

    /** The mutant's: goes on behind a commit record that it has found. */
    private int skipTo(Superblock superblock, int block) {
        while (at % JournalFile.RING_BLOCKS != block) {
            at++;
        }
        at++;
        return record(block) instanceof Commit commit && commit.salt() == superblock.salt() ? commit.epoch() : 0;
    }
}
