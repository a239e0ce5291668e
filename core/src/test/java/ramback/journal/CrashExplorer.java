package ramback.journal;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Cuts the power at every write and sync of a run, lets any of the unsynced sectors survive, recovers, and looks whether the
 * image is that of an epoch that was not older than promised.
 */
final class CrashExplorer {
    /** Something that must not be. */
    record Violation(String what) {}

    /** A run, step by step. */
    interface Script {
        void run(JournalRun run, Random random) throws IOException;
    }

    private static final int CHUNK_BYTES = 4 << 10;

    /** Twelve chunks, the last of them cut short. */
    private static final Stamps EMPTY = new Stamps(CHUNK_BYTES, 12 * CHUNK_BYTES - 3000);

    private static final int RING_BYTES = 160 << 10;

    private final Script script;
    private final long seed;
    private final boolean tellsApplies;
    private final int samplesAPoint;

    private long imageCount;
    private int failingJournalSync;
    private int failingJournalWrite;
    private int failingImageSync;
    private boolean failureDrops;

    CrashExplorer(Script script, long seed, boolean tellsApplies, int samplesAPoint) {
        this.script = script;
        this.seed = seed;
        this.tellsApplies = tellsApplies;
        this.samplesAPoint = samplesAPoint;
    }

    /** Fails syncs and writes by number; 0 for none. */
    CrashExplorer failing(int journalSync, boolean drops, int journalWrite, int imageSync) {
        failingJournalSync = journalSync;
        failureDrops = drops;
        failingJournalWrite = journalWrite;
        failingImageSync = imageSync;
        return this;
    }

    /** How many states after a power cut were looked at. */
    long imageCount() {
        return imageCount;
    }

    /** How many writes and syncs a whole run has, and how many syncs of the journal. */
    static int journalSyncCount(Script script, long seed, boolean tellsApplies) throws IOException {
        try (JournalRun run = new JournalRun(EMPTY, RING_BYTES, Power.forEver(), tellsApplies, seed)) {
            script.run(run, new Random(seed));
            return run.journalDisk.syncCount();
        }
    }

    static int journalWriteCount(Script script, long seed, boolean tellsApplies) throws IOException {
        try (JournalRun run = new JournalRun(EMPTY, RING_BYTES, Power.forEver(), tellsApplies, seed)) {
            script.run(run, new Random(seed));
            return run.journalDisk.writeCount();
        }
    }

    /** Goes through all moments, every {@code stride}-th of them; the first violation, or none. */
    Optional<Violation> explore(int stride) throws IOException {
        boolean finished = false;
        // The first steps, two writes and two syncs, format the journal: it is not in use before that.
        long firstCut = 5;
        for (long cutAt = firstCut; !finished; cutAt += stride) {
            Power power = new Power(cutAt);
            JournalRun run = new JournalRun(EMPTY, RING_BYTES, power, tellsApplies, seed);
            run.journalDisk.failSync(failingJournalSync, failureDrops);
            run.journalDisk.failWrite(failingJournalWrite);
            run.imageDisk.failSync(failingImageSync, failureDrops);
            try {
                script.run(run, new Random(seed));
                finished = true;
            } catch (Power.Cut e) {
                // Now see what is left.
            } finally {
                run.close();
            }
            Random random = new Random(seed * 31 + cutAt);
            for (int i = 0; i < samplesAPoint; i++) {
                CacheDisk.Survival[] survivals = CacheDisk.Survival.values();
                CacheDisk.Survival survival = survivals[i % survivals.length];
                byte[] journal = run.journalDisk.survivors(survival, random);
                byte[] image = run.imageDisk.survivors(survival, random);
                imageCount++;
                String problem = judge(run, journal, image, random);
                if (problem != null) {
                    return Optional.of(new Violation("seed " + seed + ", cut before step " + cutAt + ", failing sync "
                            + failingJournalSync + " write " + failingJournalWrite + " image sync " + failingImageSync
                            + ", survivors " + survival + " (sample " + i + "): " + problem));
                }
            }
        }
        return Optional.empty();
    }

    // ---------------------------------------------------------------------------------------------- judgement

    private static @Nullable String judge(JournalRun run, byte[] journal, byte[] image, Random random)
            throws IOException {
        JournalScan scan = JournalScan.of(new CacheDisk(journal.clone(), Power.forEver()));
        if (scan.verdict() == JournalScan.Verdict.SUSPENDED) {
            return run.maySaySuspended ? null : "suspended";
        }
        if (!List.of(JournalScan.Verdict.CLEAN, JournalScan.Verdict.EMPTY, JournalScan.Verdict.EPOCHS)
                .contains(scan.verdict())) {
            return scan.verdict() + ": " + scan.fault() + " at " + scan.faultOffsetBytes();
        }
        long last = scan.lastEpoch();
        if (last < run.acknowledged || !run.states.containsKey(last)) {
            return "epoch " + last + " recovered, epoch " + run.acknowledged + " was acknowledged";
        }
        if (run.torn && last < run.tornUntil) {
            return "epoch " + last + " recovered into a torn image";
        }
        String problem = recover(run, journal, image, last, random);
        if (problem == null) {
            // An older state, if it is said to be possible.
            List<Long> exact = run.states.keySet().stream()
                    .filter(epoch -> epoch >= Math.max(scan.exactFromEpoch(), scan.retiredEpoch()) && epoch <= last)
                    .toList();
            long to = exact.get(random.nextInt(exact.size()));
            if (scan.committedAt(to).isPresent() || to == scan.retiredEpoch()) {
                problem = recover(run, journal, image, to, random);
            }
        }
        return problem;
    }

    /** Recovers, with a power cut somewhere within, and then to the end. */
    private static @Nullable String recover(JournalRun run, byte[] journal, byte[] image, long to, Random random)
            throws IOException {
        byte[] journalNow = journal.clone();
        byte[] imageNow = image.clone();
        if (random.nextInt(3) == 0) {
            Power power = new Power(1 + random.nextInt(12));
            CacheDisk journalDisk = new CacheDisk(journalNow, power);
            CacheDisk imageDisk = new CacheDisk(imageNow, power);
            try {
                Recovery.run(journalDisk, JournalScan.of(journalDisk), imageDisk, to, false, (done, total) -> {});
            } catch (Power.Cut e) {
                // As good as any.
            }
            CacheDisk.Survival[] survivals = CacheDisk.Survival.values();
            CacheDisk.Survival survival = survivals[random.nextInt(survivals.length)];
            journalNow = journalDisk.survivors(survival, random);
            imageNow = imageDisk.survivors(survival, random);
        }
        CacheDisk journalDisk = new CacheDisk(journalNow, Power.forEver());
        CacheDisk imageDisk = new CacheDisk(imageNow, Power.forEver());
        JournalScan scan = JournalScan.of(journalDisk);
        if (!scan.verdict().mayBeRecovered() || scan.verdict() == JournalScan.Verdict.MEDIA_FAULT) {
            return "a recovery that was broken off left a journal that is " + scan.verdict() + " " + scan.fault();
        }
        long again = scan.epochCount() == 0 ? scan.lastEpoch() : to;
        if (again != to) {
            return "after a recovery to epoch " + to + " the journal is at " + again;
        }
        if (to < scan.exactFromEpoch()) {
            return "a recovery to epoch " + to + " that was broken off can't be repeated";
        }
        Recovery.run(journalDisk, scan, imageDisk, to, false, (done, total) -> {});
        // Recovery has returned: all of it is durable.
        byte[] recovered = imageDisk.survivors(CacheDisk.Survival.NONE, random);
        if (!Arrays.equals(recovered, run.states.get(to).bytes())) {
            return "the image is not that of epoch " + to;
        }
        JournalScan after =
                JournalScan.of(new CacheDisk(journalDisk.survivors(CacheDisk.Survival.NONE, random), Power.forEver()));
        if (after.verdict() != JournalScan.Verdict.CLEAN || after.lastEpoch() != to) {
            return "after recovery: " + after.verdict() + " at epoch " + after.lastEpoch();
        }
        return secondLife(journalDisk, to, random);
    }

    /** Goes on with the journal, is cut off before anything was committed, and must be where it was. */
    private static @Nullable String secondLife(CacheDisk journalDisk, long epoch, Random random) throws IOException {
        try (LocalJournal journal = LocalJournal.open(journalDisk, JournalScan.of(journalDisk), 99, random::nextLong)) {
            journal.fence();
            SortedMap<Integer, Long> changes = new TreeMap<>();
            changes.put(random.nextInt(EMPTY.chunkCount()), 1_000_000L + random.nextInt(1000));
            EMPTY.append(journal, epoch + 1, changes, 1);
            if (random.nextBoolean()) {
                journal.barrier();
            }
        }
        CacheDisk.Survival[] survivals = CacheDisk.Survival.values();
        CacheDisk left = new CacheDisk(
                journalDisk.survivors(survivals[random.nextInt(survivals.length)], random), Power.forEver());
        JournalScan scan = JournalScan.of(left);
        if (scan.verdict() != JournalScan.Verdict.EMPTY || scan.lastEpoch() != epoch) {
            return "an attach after recovery, without a commit: " + scan.verdict() + " " + scan.fault() + " at epoch "
                    + scan.lastEpoch() + ", not " + epoch;
        }
        return null;
    }
}
