package ramback.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import ramback.sim.Oracle.Verdict;
import ramback.sim.Recording.Event;

/**
 * Lets the power fail after every event of a recording. Of what no sync had covered then, any subset may have reached the
 * medium, cut at any sector: nothing, all, all but one, one only, some drawn ones, and the newest write torn. The real recovery
 * runs on each of these images and the oracle judges. Some recoveries are recorded themselves, and the power fails again at each
 * of their events. An image that a later event would give once more is not counted twice.
 */
final class CrashExplorer {

    /** Of more unsynced writes than this, those that are missing alone are drawn. */
    private static final int SINGLES_MAX = 12;

    private static final int DRAWN_SUBSETS = 3;

    /** The superblocks lie in front of this. */
    private static final int JOURNAL_HEADER_BYTES = 64 << 10;

    /**
     * What was found wrong, and where.
     *
     * @param what begins with the name of the check that found it
     */
    record Violation(String what, String made, long imageNumber) {}

    /** What the disks and the sidecar are when a recording begins. */
    record Start(long imageBytes, long journalBytes, CrashImage media) {}

    private final List<Event> events;
    private final Start start;
    private final Oracle oracle;
    private final Oracle.Restorer restorer;
    private final Random random;
    private final Media media;
    private final boolean isNested;
    private final double share;
    private final double againShare;
    private final @Nullable Rot rot;

    private final byte[][][] durable;
    private final List<Write> pending = new ArrayList<>();
    private @Nullable String stateFile;
    private @Nullable String nextStateFile;
    private boolean isReplacing;
    private int eventNumber;
    private long imageCount;
    private long againCount;
    private long rotCount;
    private @Nullable Violation violation;

    /** Sizes of the two disks. */
    private record Media(long imageBytes, long journalBytes) {}

    /** Spoils a crash image and judges what the recovery makes of it. */
    interface Rot {

        /** Returns what is wrong, or null. */
        @Nullable
        String spoilAndJudge(CrashImage whole, Verdict verdict, Random random, Oracle.Restorer restorer);
    }

    /**
     * An explorer of one recording.
     *
     * @param share the share of the images to look at, 1 for all of them
     * @param againShare the share of the recoveries in which the power fails once more
     * @param rot what else happens to some images, or null
     */
    CrashExplorer(
            List<Event> events,
            Start start,
            Oracle oracle,
            Oracle.Restorer restorer,
            long seed,
            double share,
            double againShare,
            @Nullable Rot rot) {
        this(events, start, oracle, restorer, new Random(seed), share, againShare, rot, false);
    }

    private CrashExplorer(
            List<Event> events,
            Start start,
            Oracle oracle,
            Oracle.Restorer restorer,
            Random random,
            double share,
            double againShare,
            @Nullable Rot rot,
            boolean isNested) {
        this.events = events;
        this.start = start;
        this.oracle = oracle;
        this.restorer = restorer;
        this.random = random;
        this.share = share;
        this.againShare = againShare;
        this.rot = rot;
        this.isNested = isNested;
        this.media = new Media(start.imageBytes, start.journalBytes);
        this.durable = start.media.copy().pages;
        this.stateFile = start.media.stateFile;
    }

    /** How many images were looked at, those of crashed recoveries and spoiled ones among them. */
    long imageCount() {
        return imageCount;
    }

    /** How many of them were left by a power failure during a recovery. */
    long againCount() {
        return againCount;
    }

    /** How many of them were spoiled. */
    long rotCount() {
        return rotCount;
    }

    /** Goes through the recording until something is wrong or it ends; returns what is wrong, or null. */
    @Nullable
    Violation explore() {
        if (!isNested) {
            oracle.begin();
        }
        for (eventNumber = 0; eventNumber < events.size() && violation == null; eventNumber++) {
            Event event = events.get(eventNumber);
            if (!isNested) {
                long until = eventNumber + 1 < events.size()
                        ? events.get(eventNumber + 1).nanos()
                        : event.nanos();
                oracle.pass(event, until);
            }
            switch (event) {
                case Recording.Began began -> begin(began.write());
                case Recording.Synced synced -> sync(synced);
                case Recording.Dropped dropped -> drop(dropped);
                case Recording.StateFile file -> replace(file);
                case Recording.Promised _ -> promise();
            }
        }
        return violation;
    }

    // --------------------------------------------------------------------------------------------------- subsets

    private void begin(Write write) {
        pending.add(write);
        int newest = pending.size() - 1;
        look("all", i -> true);
        if (write.disk == CrashImage.JOURNAL && write.offsetBytes < JOURNAL_HEADER_BYTES) {
            garble(write);
        }
        if (newest == 0) {
            tear(write, "torn", i -> false);
            return;
        }
        look("only the newest", i -> i == newest);
        for (int n = 0; n < Math.min(newest, SINGLES_MAX); n++) {
            int missing = newest <= SINGLES_MAX ? n : random.nextInt(newest);
            look("all but one", i -> i != missing);
        }
        for (int n = 0; n < DRAWN_SUBSETS; n++) {
            long seed = random.nextLong();
            look("some", i -> i == newest || isDrawn(seed, i));
        }
        tear(write, "only the newest, torn", i -> false);
        tear(write, "all, the newest torn", i -> i != newest);
        long seed = random.nextLong();
        tear(write, "some, the newest torn", i -> i != newest && isDrawn(seed, i));
    }

    /** A superblock that was being written when the power failed may be no superblock at all, on disks with large sectors. */
    private void garble(Write newest) {
        long seed = random.nextLong();
        make("all, the newest garbled", image -> {
            for (Write write : pending) {
                write.applyTo(image.pages[write.disk]);
            }
            byte[] noise = new byte[Write.PAGE_BYTES];
            new Random(seed).nextBytes(noise);
            image.pages[newest.disk][newest.firstPage()] = noise;
        });
    }

    private static boolean isDrawn(long seed, int number) {
        return (TraceHash.mix(seed + number) & 1) != 0;
    }

    private void sync(Recording.Synced synced) {
        for (Write write : synced.covered()) {
            write.applyTo(durable[write.disk]);
        }
        pending.removeAll(synced.covered());
        if (!pending.isEmpty()) {
            look("nothing", i -> false);
        }
    }

    private void drop(Recording.Dropped dropped) {
        for (Write write : dropped.kept()) {
            write.applyTo(durable[write.disk]);
        }
        pending.removeAll(dropped.kept());
        pending.removeAll(dropped.lost());
        look("nothing", i -> false);
        if (!pending.isEmpty()) {
            look("all", i -> true);
        }
    }

    private void replace(Recording.StateFile file) {
        isReplacing = !file.isDone();
        nextStateFile = file.content();
        if (file.isDone()) {
            stateFile = file.content();
        }
        look("nothing", i -> false);
        if (!pending.isEmpty()) {
            look("all", i -> true);
        }
    }

    private void promise() {
        look("nothing", i -> false);
        if (pending.isEmpty()) {
            return;
        }
        look("all", i -> true);
        for (int n = 0; n < DRAWN_SUBSETS; n++) {
            long seed = random.nextLong();
            look("some", i -> isDrawn(seed, i));
        }
        for (int n = 0; n < Math.min(pending.size(), SINGLES_MAX / 2); n++) {
            int chosen = random.nextInt(pending.size());
            look("all but one", i -> i != chosen);
            look("only one", i -> i == chosen);
        }
    }

    private void look(String how, IntPredicate isThere) {
        make(how, image -> {
            for (int i = 0; i < pending.size(); i++) {
                if (isThere.test(i)) {
                    Write write = pending.get(i);
                    write.applyTo(image.pages[write.disk]);
                }
            }
        });
    }

    private void tear(Write newest, String how, IntPredicate isThere) {
        if (newest.sectorCount() == 1) {
            return;
        }
        int sectors = 1 + random.nextInt(newest.sectorCount() - 1);
        long bits = random.nextLong();
        boolean isPrefix = random.nextBoolean();
        make(how, image -> {
            for (int i = 0; i < pending.size(); i++) {
                if (isThere.test(i)) {
                    Write write = pending.get(i);
                    write.applyTo(image.pages[write.disk]);
                }
            }
            if (isPrefix) {
                newest.applyPrefix(image.pages[newest.disk], sectors);
            } else {
                newest.applyTorn(image.pages[newest.disk], bits);
            }
        });
    }

    // --------------------------------------------------------------------------------------------------- looking

    private void make(String how, Consumer<CrashImage> what) {
        if (violation != null || (share < 1 && random.nextDouble() >= share)) {
            return;
        }
        String file = isReplacing && random.nextBoolean() ? nextStateFile : stateFile;
        String made = (isNested ? start.media.made + "; then in the recovery " : "") + "at event " + eventNumber + " ("
                + events.get(eventNumber).getClass().getSimpleName() + "), of " + pending.size()
                + " unsynced writes: " + how;
        CrashImage image = new CrashImage(durable, file, made);
        what.accept(image);
        imageCount++;
        boolean again = !isNested && againShare > 0 && random.nextDouble() < againShare;
        CrashImage before = again || rot != null ? image.copy() : image;
        Recording recovery = again ? new Recording() : null;
        Verdict verdict;
        try {
            verdict = restore(image, recovery);
        } catch (RuntimeException e) {
            violation = new Violation("RECOVERY: " + e, made, imageCount);
            return;
        }
        String wrong = oracle.judge(verdict, image.pages[CrashImage.IMAGE]);
        if (wrong != null) {
            violation = new Violation(wrong + " [" + verdict.text() + "]", made, imageCount);
            return;
        }
        if (recovery != null) {
            failAgain(before, recovery);
        }
        if (rot != null && violation == null && random.nextInt(8) == 0) {
            imageCount++;
            rotCount++;
            String spoiled = rot.spoilAndJudge(before, verdict, random, restorer);
            if (spoiled != null) {
                violation = new Violation(spoiled, made, imageCount);
            }
        }
    }

    private Verdict restore(CrashImage image, @Nullable Recording recovery) {
        return restore(restorer, media.imageBytes, media.journalBytes, image, recovery);
    }

    /** Runs a recovery on a crash image, which is changed by it. */
    static Verdict restore(
            Oracle.Restorer restorer,
            long imageBytes,
            long journalBytes,
            CrashImage image,
            @Nullable Recording recovery) {
        SimDisk.Temper patient = SimDisk.Temper.PATIENT;
        SimDisk disk =
                new SimDisk(CrashImage.IMAGE, "image", imageBytes, image.pages[CrashImage.IMAGE], recovery, patient);
        SimDisk journal = new SimDisk(
                CrashImage.JOURNAL, "journal", journalBytes, image.pages[CrashImage.JOURNAL], recovery, patient);
        return restorer.restore(
                disk,
                journal,
                image.stateFile,
                content -> {
                    if (recovery != null) {
                        recovery.add(new Recording.StateFile(0, content, false));
                        recovery.add(new Recording.StateFile(0, content, true));
                    }
                    image.stateFile = content;
                },
                recovery != null);
    }

    private void failAgain(CrashImage before, Recording recovery) {
        CrashExplorer nested = new CrashExplorer(
                recovery.events(),
                new Start(media.imageBytes, media.journalBytes, before),
                oracle,
                restorer,
                random,
                Math.min(1, 60.0 / (8 * recovery.events().size() + 1)),
                0,
                null,
                true);
        Violation found = nested.explore();
        imageCount += nested.imageCount;
        againCount += nested.imageCount;
        if (found != null) {
            violation = new Violation(found.what, found.made, imageCount);
        }
    }
}
