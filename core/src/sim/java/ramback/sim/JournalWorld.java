package ramback.sim;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.Recovery;
import ramback.journal.VersionBatch;
import ramback.mutant.Mutant;

/**
 * The journal alone, under a writer that does what write-behind does, step by step: append, barrier, commit, apply, sync,
 * truncate, suspend and come back, stop and start again; after a failure it appends again. Each epoch's content is known, so any
 * recovery can be held against it.
 */
final class JournalWorld {

    private static final int CHUNK_BYTES = Write.PAGE_BYTES;
    private static final int BATCH_CHUNKS_MAX = 40;
    private static final UUID DEVICE = new UUID(0x51a11ab5L, 0x1234L);

    private final TraceHash hash = new TraceHash();
    private final Scheduler scheduler;
    private final Recording recording = new Recording();
    private final Random random;
    private final Random rehearsals;
    private final int chunkCount;
    private final long imageBytes;
    private final long journalBytes;
    private final JournalIdentity identity;
    private final CrashExplorer.Start start;
    private final SimDisk image;
    private final SimDisk journal;
    private final int epochCount;
    /** Whether epochs are large and given up only for room, so that the ring is full again and again. */
    private final boolean isFilling;

    private long retiredEpoch;
    private final Arena arena = Arena.ofAuto();
    private final MemorySegment payload;

    // What the device holds, and what it held at the end of each epoch, the newest last.
    private final byte[][] content;
    private final TreeMap<Long, byte[][]> contents = new TreeMap<>();
    private final TreeSet<Integer> stale = new TreeSet<>();
    private @Nullable LocalJournal log;
    private final EpochOracle oracle;
    private long saltNumber;
    private long generation = 1;

    JournalWorld(long seed) {
        this.scheduler = new Scheduler(TraceHash.mix(seed), hash);
        this.random = new Random(TraceHash.mix(seed + 1));
        this.rehearsals = new Random(TraceHash.mix(seed + 3));
        this.chunkCount = 24 + random.nextInt(100);
        this.imageBytes = (long) chunkCount * CHUNK_BYTES - (random.nextInt(3) == 0 ? 1536 : 0);
        this.journalBytes = LocalJournal.sizeBytesMin() + (random.nextInt(3) == 0 ? 40960 : 0);
        this.identity = new JournalIdentity(DEVICE, CHUNK_BYTES, imageBytes, 1, 2);
        this.epochCount = 20 + random.nextInt(40);
        this.isFilling = random.nextInt(3) == 0;
        this.payload = arena.allocate((long) BATCH_CHUNKS_MAX * CHUNK_BYTES, CHUNK_BYTES);
        byte[][] initial = History.initialPages(imageBytes, 5, random.nextBoolean());
        byte[][] formatted = formatted();
        CrashImage media = new CrashImage(new byte[][][] {initial, formatted}, null, "before everything");
        this.start = new CrashExplorer.Start(imageBytes, journalBytes, media);
        boolean fails = random.nextInt(3) == 0;
        this.image = new SimDisk(CrashImage.IMAGE, "image", imageBytes, initial.clone(), recording, temper(2, fails));
        this.journal = new SimDisk(
                CrashImage.JOURNAL, "journal", journalBytes, formatted.clone(), recording, temper(3, fails));
        this.content = initial.clone();
        contents.put(0L, initial.clone());
        this.oracle = new EpochOracle(initial.clone());
    }

    private SimDisk.Temper temper(int number, boolean fails) {
        return new SimDisk.Moody(
                scheduler, hash, random.nextLong() + number, fails ? 0.05 : 0, false, 0.02, 0, Long.MAX_VALUE);
    }

    private byte[][] formatted() {
        SimDisk empty = SimDisk.plain("journal", journalBytes);
        try {
            LocalJournal.format(empty, identity, 0);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return empty.pages();
    }

    TraceHash hash() {
        return hash;
    }

    Recording recording() {
        return recording;
    }

    CrashExplorer.Start start() {
        return start;
    }

    /** What knows each epoch's content. */
    EpochOracle oracle() {
        return oracle;
    }

    void run() {
        scheduler.spawn("journal", this::write);
        scheduler.run();
    }

    // ------------------------------------------------------------------------------------------------------ writing

    private void write() {
        open();
        for (int i = 0; i < epochCount; i++) {
            int dice = random.nextInt(24);
            if (isFilling) {
                commit(drawChanges());
                continue;
            }
            if (dice == 0) {
                suspendAndResume();
            } else if (dice < 3) {
                stopAndStart(dice == 1);
            } else if (dice == 3) {
                goBack();
            } else {
                commit(drawChanges());
            }
            if (random.nextInt(5) == 0) {
                retire(random.nextInt(3) == 0);
            }
            if (rehearsals.nextInt(6) == 0) {
                rehearse();
            }
        }
        scheduler.stop();
    }

    /** Measures what the disk takes, as far as there is room; the end of the ring comes with the first epoch that fills it. */
    private void rehearse() {
        long skip = rehearsals.nextLong(log().capacityBytes() / 2);
        long length = 1 + rehearsals.nextLong(log().capacityBytes());
        insist(() -> log().rehearse(skip, length));
    }

    private LocalJournal log() {
        LocalJournal current = log;
        if (current == null) {
            throw new IllegalStateException("the journal is not open");
        }
        return current;
    }

    /** Something that a disk may refuse. */
    private interface Attempt {
        void run() throws IOException;
    }

    /** Tries until it works. */
    private void insist(Attempt attempt) {
        while (true) {
            try {
                attempt.run();
                return;
            } catch (IOException e) {
                hash.add(1);
                scheduler.sleepUntil("a pause after a failure", scheduler.nanoTime() + 1_000_000);
            }
        }
    }

    private void note(EpochOracle.Step step) {
        recording.add(new Recording.Promised(scheduler.nanoTime(), oracle.add(step)));
    }

    private void open() {
        insist(() -> {
            JournalScan scan = JournalScan.of(journal);
            if (!scan.verdict().mayBeContinued()) {
                throw new AssertionError("stopped after epoch " + headEpoch() + ", and the journal is " + scan.verdict()
                        + ": " + scan.fault().orElse(""));
            }
            LocalJournal opened = LocalJournal.open(journal, scan, generation++, () -> TraceHash.mix(++saltNumber));
            log = opened;
            insist(opened::fence);
        });
    }

    private long headEpoch() {
        return contents.lastKey();
    }

    /** Changes some chunks, to stamped content or to zeroes. */
    private SortedSet<Integer> drawChanges() {
        TreeSet<Integer> changes = new TreeSet<>();
        int runs = 1 + random.nextInt(6);
        for (int i = 0; i < runs; i++) {
            int length = 1 + random.nextInt(isFilling || random.nextInt(3) == 0 ? 24 : 2);
            int first = random.nextInt(chunkCount);
            boolean isZero = random.nextInt(4) == 0;
            for (int chunk = first; chunk < Math.min(chunkCount, first + length); chunk++) {
                content[chunk] = isZero ? null : stamped(chunk);
                changes.add(chunk);
            }
        }
        return changes;
    }

    private int stampNumber = 2;

    private byte[] stamped(int chunk) {
        byte[] page = new byte[CHUNK_BYTES];
        stampNumber++;
        for (int i = 0; i < Write.SECTORS_PER_PAGE; i++) {
            int sector = chunk * Write.SECTORS_PER_PAGE + i;
            if ((long) (sector + 1) * Write.SECTOR_BYTES <= imageBytes) {
                Stamp.write(page, i * Write.SECTOR_BYTES, stampNumber, sector);
            }
        }
        return page;
    }

    /** Commits everything changed since the last epoch as one. */
    private void commit(SortedSet<Integer> changes) {
        List<List<Integer>> batches = batches(changes);
        // Drawn beforehand: who appends again after a failure sets the same barriers, so that the same is written in
        // place.
        boolean[] isBarrier = new boolean[batches.size()];
        int barrierCount = 0;
        for (int i = 0; i < isBarrier.length; i++) {
            isBarrier[i] = random.nextInt(3) == 0;
            barrierCount += isBarrier[i] ? 1 : 0;
        }
        makeRoomFor(changes, barrierCount);
        long epoch = headEpoch() + 1 + (random.nextInt(4) == 0 ? random.nextInt(3) : 0);
        byte[][] whole = content.clone();
        contents.put(epoch, whole);
        note(new EpochOracle.Begun(epoch, whole));
        int[] durableBatches = new int[1];
        insist(() -> {
            for (int i = durableBatches[0]; i < batches.size(); i++) {
                append(epoch, batches.get(i));
                if (isBarrier[i]) {
                    log().barrier();
                    durableBatches[0] = i + 1;
                }
            }
            log().commit(epoch, java.time.Instant.ofEpochSecond(epoch));
        });
        stale.addAll(changes);
        changes.forEach(chunk -> changedIn.put(chunk, epoch));
        changesOf.put(epoch, changes);
        note(new EpochOracle.Committed(epoch));
    }

    private final TreeMap<Integer, Long> changedIn = new TreeMap<>();
    private final TreeMap<Long, SortedSet<Integer>> changesOf = new TreeMap<>();

    /** Gives epochs up only when the next one does not fit, so that what is written next goes to where they were. */
    private void makeRoomFor(SortedSet<Integer> changes, int barrierCount) {
        long dataCount =
                changes.stream().filter(chunk -> content[chunk] != null).count();
        long needBytes = LocalJournal.costBytes(CHUNK_BYTES, dataCount, changes.size() - dataCount)
                + LocalJournal.EPOCH_OVERHEAD_BYTES
                + (long) barrierCount * LocalJournal.BARRIER_OVERHEAD_BYTES;
        if (log().capacityBytes() - log().usedBytes() < needBytes) {
            retire(false);
        }
    }

    private List<List<Integer>> batches(SortedSet<Integer> changes) {
        List<List<Integer>> batches = new ArrayList<>();
        List<Integer> batch = new ArrayList<>();
        for (int chunk : changes) {
            if (batch.size() == BATCH_CHUNKS_MAX || (!batch.isEmpty() && random.nextInt(8) == 0)) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(chunk);
        }
        batches.add(batch);
        return batches;
    }

    private void append(long epoch, List<Integer> chunks) throws IOException {
        VersionBatch batch = new VersionBatch();
        long length = 0;
        for (int chunk : chunks) {
            boolean isZero = content[chunk] == null;
            batch.add(chunk, 1, isZero);
            if (!isZero) {
                MemorySegment.copy(content[chunk], 0, payload, ValueLayout.JAVA_BYTE, length, CHUNK_BYTES);
                length += CHUNK_BYTES;
            }
        }
        batch.payload(payload.asSlice(0, length));
        log().append(epoch, batch);
    }

    // ------------------------------------------------------------------------------------------------- the image

    private void writeImage(int chunk, byte[][] from) throws IOException {
        long offset = (long) chunk * CHUNK_BYTES;
        long length = Math.min(CHUNK_BYTES, imageBytes - offset);
        byte[] bytes = from[chunk];
        if (bytes == null) {
            image.zero(offset, length);
        } else {
            MemorySegment.copy(bytes, 0, payload, ValueLayout.JAVA_BYTE, 0, (int) length);
            image.write(offset, payload.asSlice(0, length));
        }
    }

    /** Brings committed chunks to the image and gives their epochs up; perhaps only those last changed in the older half. */
    private void retire(boolean isHalf) {
        long boundary = headEpoch();
        for (int i = random.nextInt(4); isHalf && i > 0 && contents.lowerKey(boundary) != null; i--) {
            boundary = contents.lowerKey(boundary);
        }
        retireUpTo(boundary);
    }

    private void retireUpTo(long boundary) {
        List<Integer> written = new ArrayList<>();
        byte[][] committed = contents.lastEntry().getValue();
        insist(() -> log().applying(headEpoch()));
        insist(() -> {
            written.clear();
            for (int chunk : stale) {
                if (changedIn.get(chunk) <= boundary) {
                    insist(() -> writeImage(chunk, committed));
                    written.add(chunk);
                }
            }
            syncImage();
        });
        stale.removeAll(written);
        insist(() -> log().truncate(boundary));
        retiredEpoch = Math.max(retiredEpoch, boundary);
    }

    private void syncImage() throws IOException {
        if (Mutant.NO_IMAGE_FSYNC.isOn()) {
            return;
        }
        try {
            image.sync();
        } catch (IOException e) {
            if (!Mutant.SWALLOWED_IMAGE_FSYNC_ERROR.isOn()) {
                throw e;
            }
        }
    }

    private void suspendAndResume() {
        note(new EpochOracle.MayTear());
        insist(() -> log().suspend());
        TreeSet<Integer> changes = new TreeSet<>(stale);
        for (int i = random.nextInt(4); i >= 0; i--) {
            for (int chunk : drawChanges()) {
                changes.add(chunk);
                if (random.nextInt(3) != 0) {
                    insist(() -> writeImage(chunk, content));
                }
            }
        }
        commit(changes);
    }

    private void stopAndStart(boolean isClean) {
        if (isClean) {
            retire(false);
            insist(() -> log().markClean());
        } else if (random.nextInt(2) == 0) {
            leaveHalfAnEpoch();
        }
        insist(() -> log().close());
        journal.reopen();
        open();
    }

    /** Appends what will never be committed: at the place, and under the number, of the next epoch. */
    private void leaveHalfAnEpoch() {
        byte[][] before = content.clone();
        SortedSet<Integer> changes = drawChanges();
        try {
            append(headEpoch() + 1, batches(changes).getFirst());
            log().barrier();
        } catch (IOException e) {
            hash.add(2);
        }
        System.arraycopy(before, 0, content, 0, before.length);
    }

    /**
     * An operator recovers to an older epoch, and the device goes on from there, with epochs of the same numbers, and of the same
     * length, as those that are gone.
     */
    private void goBack() {
        retire(false);
        for (int i = 1 + random.nextInt(3); i >= 0; i--) {
            commit(drawChanges());
        }
        long epoch = contents.lowerKey(headEpoch());
        if (epoch < retiredEpoch) {
            return;
        }
        insist(() -> log().close());
        journal.reopen();
        note(new EpochOracle.GoingBack(epoch, false));
        insist(() -> {
            JournalScan scan = JournalScan.of(journal);
            Recovery.run(journal, scan, image, epoch, true, (done, total) -> {});
        });
        SortedSet<Integer> gone = changesOf.get(contents.higherKey(epoch));
        byte[][] old = contents.get(contents.higherKey(epoch));
        contents.tailMap(epoch, false).clear();
        changesOf.tailMap(epoch, false).clear();
        System.arraycopy(contents.get(epoch), 0, content, 0, content.length);
        stale.clear();
        note(new EpochOracle.GoingBack(epoch, true));
        open();
        for (int chunk : gone) {
            content[chunk] = old[chunk] == null ? null : stamped(chunk);
        }
        commit(gone);
    }
}
