package ramback.model.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.model.journal.JournalFile.Commit;

/**
 * What is on the disks when the power fails: a {@link Story} is stopped at each of its writes and syncs, with each of its
 * syncs failing or none, and recovered from what may have survived, also when the power fails again meanwhile, and
 * when a block of the journal has become unreadable.
 */
final class DiskModel {

    /** With so many halves in the caches every subset of them is tried, otherwise some. */
    private static final int SUBSET_HALVES_MAX = 8;

    private static final int RANDOM_SUBSET_COUNT = 40;
    private static final long SEED = 7;

    /**
     * What was found.
     *
     * @param diskCount disks that were recovered
     * @param violation the first violation, or null
     */
    record Result(int diskCount, @Nullable String violation) {}

    private final DiskMutant mutant;
    private final Random random = new Random(SEED);
    private int diskCount;

    private DiskModel(DiskMutant mutant) {
        this.mutant = mutant;
    }

    static Result explore(DiskMutant mutant) {
        return new DiskModel(mutant).explore();
    }

    private Result explore() {
        Power whole = new Power(mutant);
        new Story(whole).run();
        for (int failingSync = 0; failingSync <= whole.syncCount(); failingSync++) {
            String violation = exploreSteps(failingSync, false);
            violation = violation == null && failingSync > 0 ? exploreSteps(failingSync, true) : violation;
            if (violation != null) {
                return new Result(diskCount, violation);
            }
        }
        return new Result(diskCount, null);
    }

    private @Nullable String exploreSteps(int failingSync, boolean isWrittenAllTheSame) {
        boolean isOver = false;
        for (int step = 1; !isOver; step++) {
            Power power = new Power(mutant, step, failingSync, isWrittenAllTheSame);
            Story story = new Story(power);
            isOver = survives(story);
            List<Disk.Write> cache = new ArrayList<>(story.journal.cache());
            cache.addAll(story.image.cache());
            String violation = subsets(power, story, cache, failingSync != 0);
            if (violation == null && cache.isEmpty() && failingSync == 0) {
                violation = rot(power, story);
            }
            if (violation != null) {
                return violation + " (power fails at step " + step + ", sync " + failingSync + " fails)";
            }
        }
        return null;
    }

    private static boolean survives(Story story) {
        try {
            story.run();
            return true;
        } catch (Power.Failure e) {
            return false;
        }
    }

    // ----------------------------------------------------------------------------------------------------- subsets

    private @Nullable String subsets(Power power, Story story, List<Disk.Write> cache, boolean isBrief) {
        String violation = null;
        for (List<Disk.Write> survivors : subsetsOf(cache, isBrief)) {
            Disk journal = story.journal.after(survivors);
            Disk image = story.image.after(survivors);
            violation = violation != null ? violation : recover(power, journal, image);
            boolean isTriedAgain = !isBrief && random.nextInt(4) == 0;
            violation = violation == null && isTriedAgain ? recoverTwice(power, journal, image) : violation;
        }
        return violation;
    }

    private List<List<Disk.Write>> subsetsOf(List<Disk.Write> cache, boolean isBrief) {
        int size = cache.size();
        List<List<Disk.Write>> subsets = new ArrayList<>();
        if (size <= SUBSET_HALVES_MAX && !isBrief) {
            for (int mask = 0; mask < 1 << size; mask++) {
                subsets.add(subset(cache, mask));
            }
            return subsets;
        }
        subsets.add(List.of());
        subsets.add(cache);
        for (int i = 0; i < size; i++) {
            subsets.add(subset(cache, 1L << i));
            subsets.add(subset(cache, ~(1L << i)));
            subsets.add(cache.subList(0, i));
        }
        for (int i = 0; i < (isBrief ? RANDOM_SUBSET_COUNT / 4 : RANDOM_SUBSET_COUNT); i++) {
            subsets.add(subset(cache, random.nextLong()));
        }
        return subsets;
    }

    private static List<Disk.Write> subset(List<Disk.Write> cache, long mask) {
        List<Disk.Write> subset = new ArrayList<>();
        for (int i = 0; i < cache.size(); i++) {
            if ((mask >>> i & 1) != 0) {
                subset.add(cache.get(i));
            }
        }
        return subset;
    }

    // ---------------------------------------------------------------------------------------------------- recovery

    private @Nullable String recover(Power power, Disk journal, Disk image) {
        diskCount++;
        Disk recovered = image.after(List.of());
        int said = new Recovery(new Power(mutant), journal.after(List.of()), recovered).run();
        return wrong(power, said, recovered);
    }

    /** The power fails again at each write and sync of the recovery; then it is recovered once more. */
    private @Nullable String recoverTwice(Power power, Disk journal, Disk image) {
        boolean isOver = false;
        String violation = null;
        for (int step = 1; !isOver && violation == null; step++) {
            Disk journalThen = journal.after(List.of());
            Disk imageThen = image.after(List.of());
            isOver = true;
            try {
                new Recovery(new Power(mutant, step, 0, false), journalThen, imageThen).run();
            } catch (Power.Failure e) {
                isOver = false;
            }
            List<Disk.Write> cache = new ArrayList<>(journalThen.cache());
            cache.addAll(imageThen.cache());
            for (List<Disk.Write> survivors : subsetsOf(cache, true)) {
                violation = violation != null
                        ? violation
                        : recover(power, journalThen.after(survivors), imageThen.after(survivors));
            }
        }
        return violation == null ? null : violation + ", recovered twice";
    }

    private @Nullable String wrong(Power power, int said, Disk image) {
        if (said == Recovery.FAULT) {
            return "FAULT: recovery finds a media fault where there is none";
        }
        if (said == Recovery.TORN || power.isTorn) {
            boolean isRight = said == Recovery.TORN && power.mayBeTorn;
            return isRight ? null : "TORN: recovery says " + said + ", torn is " + power.isTorn;
        }
        if (said < power.committed || said > power.begun) {
            return "PROMISE: recovery goes back to epoch " + said + ", committed is " + power.committed;
        }
        return isContent(image, power.contents.get(said)) ? null : "CONTENT: not that of epoch " + said;
    }

    private static boolean isContent(Disk image, int[] content) {
        for (int chunk = 0; chunk < Story.CHUNK_COUNT; chunk++) {
            if (!Integer.valueOf(content[chunk]).equals(image.read(chunk))) {
                return false;
            }
        }
        return true;
    }

    // --------------------------------------------------------------------------------------------------------- rot

    /** Each block of the journal becomes unreadable: that is noticed, or does no harm. */
    private @Nullable String rot(Power power, Story story) {
        for (int block = 0; block < JournalFile.BLOCK_COUNT; block++) {
            diskCount++;
            Disk journal = story.journal.after(List.of());
            Disk image = story.image.after(List.of());
            boolean isEnd = journal.read(block) instanceof Commit commit && commit.epoch() >= power.committed;
            journal.rot(block);
            int said = new Recovery(new Power(mutant), journal, image).run();
            // A commit record that can't be read at the very end can't be told from one that was never written.
            if (said != Recovery.FAULT && !isEnd) {
                String violation = wrongAfterRot(power, said, image);
                if (violation != null) {
                    return violation + ", block " + block + " can't be read";
                }
            }
        }
        return null;
    }

    private static @Nullable String wrongAfterRot(Power power, int said, Disk image) {
        if (said == Recovery.TORN || power.isTorn) {
            return said == Recovery.TORN && power.mayBeTorn ? null : "ROT: recovery says " + said;
        }
        boolean isRight = false;
        for (int epoch = power.committed; epoch <= power.begun; epoch++) {
            isRight |= isContent(image, power.contents.get(epoch));
        }
        return isRight ? null : "ROT: the content is of no epoch that may be there, " + Arrays.toString(read(image));
    }

    private static Object[] read(Disk image) {
        Object[] content = new Object[Story.CHUNK_COUNT];
        for (int chunk = 0; chunk < content.length; chunk++) {
            content[chunk] = String.valueOf(image.read(chunk));
        }
        return content;
    }
}
