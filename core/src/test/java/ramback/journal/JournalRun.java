package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;

/**
 * A small write-behind over a journal and an image: it commits, applies, retires and appends again as the contract of
 * {@link EpochLog} says, and remembers what it promised.
 */
final class JournalRun implements AutoCloseable {
    static final UUID DEVICE = new UUID(0x0123_4567_89ab_cdefL, 0xfedc_ba98_7654_3210L);
    static final int ATTEMPT_COUNT_MAX = 6;

    /** No chunk's stamp. */
    private static final long UNKNOWN = -1;

    final CacheDisk journalDisk;
    final CacheDisk imageDisk;

    /** What the device held at the end of each epoch, committed or attempted. */
    final NavigableMap<Long, Stamps> states = new TreeMap<>();

    /** The newest epoch whose commit returned. */
    long acknowledged;

    /** Whether the journal may say that it is suspended. */
    boolean maySaySuspended;

    /** Whether the image is changed without the journal: it must not be believed, unless from {@code tornUntil} on. */
    boolean torn;

    long tornUntil;

    private final boolean tellsApplies;
    private final Random random;
    private @Nullable LocalJournal journal;
    private long nextEpoch = 1;
    private Stamps now;
    private Stamps inImage;

    JournalRun(Stamps empty, int ringBytes, Power power, boolean tellsApplies, long seed) throws IOException {
        this.journalDisk = new CacheDisk(JournalFormat.HEADER_BYTES + ringBytes, power);
        this.imageDisk = new CacheDisk(empty.imageBytes, power);
        this.tellsApplies = tellsApplies;
        this.random = new Random(seed);
        this.now = empty;
        this.inImage = empty;
        states.put(0L, empty);
        LocalJournal.format(journalDisk, identity(empty), 0, ringBytes);
    }

    static JournalIdentity identity(Stamps stamps) {
        return new JournalIdentity(DEVICE, stamps.chunkBytes, stamps.imageBytes, 7, 42);
    }

    LocalJournal journal() {
        return journal;
    }

    Stamps now() {
        return now;
    }

    // ---------------------------------------------------------------------------------------------- steps

    /** What a step of the contract does that may fail and be done again. */
    interface Attempt {
        void run() throws IOException;
    }

    static void retry(Attempt attempt) throws IOException {
        for (int i = 1; ; i++) {
            try {
                attempt.run();
                return;
            } catch (IOException e) {
                if (i == ATTEMPT_COUNT_MAX) {
                    throw e;
                }
            }
        }
    }

    /** Takes the journal over, with whatever is in it. */
    void attach() throws IOException {
        close();
        JournalScan scan = JournalScan.of(journalDisk);
        journal = LocalJournal.open(journalDisk, scan, random.nextLong(), random::nextLong);
        retry(journal::fence);
        nextEpoch = Math.max(nextEpoch, journal.headEpoch() + 1 + random.nextInt(2));
    }

    /** An epoch with a barrier in its middle, or without. */
    void epoch(SortedMap<Integer, Long> changes, boolean withBarrier, boolean commitsAlone) throws IOException {
        long epoch = nextEpoch++;
        now = now.with(changes);
        states.put(epoch, now);
        if (torn) {
            tornUntil = epoch;
        }
        SortedMap<Integer, Long> rest = changes;
        if (withBarrier && changes.size() > 1) {
            int middle = changes.keySet().stream()
                    .skip(changes.size() / 2)
                    .findFirst()
                    .orElseThrow();
            SortedMap<Integer, Long> first = changes.headMap(middle);
            retry(() -> {
                now.append(journal, epoch, first, 2);
                journal.barrier();
            });
            rest = changes.tailMap(middle);
        }
        commit(epoch, rest, commitsAlone);
        acknowledged = epoch;
        maySaySuspended = false;
        torn = false;
    }

    private void commit(long epoch, SortedMap<Integer, Long> rest, boolean alone) throws IOException {
        boolean mayBeAlone = false;
        Instant time = Instant.ofEpochSecond(1_000_000 + epoch, 5);
        for (int i = 1; ; i++) {
            try {
                if (mayBeAlone) {
                    try {
                        journal.commit(epoch, time);
                        return;
                    } catch (IllegalStateException e) {
                        // What was lost must be appended again.
                    }
                }
                now.append(journal, epoch, rest, 3);
                journal.commit(epoch, time);
                return;
            } catch (IOException e) {
                mayBeAlone = alone;
                if (i == ATTEMPT_COUNT_MAX) {
                    throw e;
                }
            }
        }
    }

    /** Applies everything committed, in any order, and retires it. */
    void apply() throws IOException {
        Stamps target = states.get(acknowledged);
        if (tellsApplies) {
            retry(() -> journal.applying(acknowledged));
        }
        retry(() -> {
            writeImage(target);
            imageDisk.sync();
        });
        inImage = target;
        retry(() -> journal.truncate(acknowledged));
    }

    /** Says before an epoch's commit that it will be applied, commits it, and applies it. */
    void epochAndApply(SortedMap<Integer, Long> changes) throws IOException {
        if (tellsApplies) {
            retry(() -> journal.applying(nextEpoch));
        }
        epoch(changes, false, false);
        apply();
    }

    /** Retires an epoch that was applied together with newer ones that stay. */
    void applyAndRetireOldest() throws IOException {
        if (tellsApplies) {
            retry(() -> journal.applying(acknowledged));
        }
        Stamps target = states.get(acknowledged);
        retry(() -> {
            writeImage(target);
            imageDisk.sync();
        });
        inImage = target;
        retry(() -> journal.truncate(journal.tail()));
    }

    private void writeImage(Stamps target) throws IOException {
        for (int chunk = 0; chunk < target.chunkCount(); chunk++) {
            if (target.get(chunk) != inImage.get(chunk)) {
                writeChunk(chunk, target.get(chunk));
            }
        }
    }

    private void writeChunk(int chunk, long stamp) throws IOException {
        int offset = chunk * now.chunkBytes;
        int lengthBytes = Math.min(now.chunkBytes, now.imageBytes - offset);
        try (Arena arena = Arena.ofConfined()) {
            imageDisk.write(
                    offset, arena.allocateFrom(JAVA_BYTE, now.chunk(stamp)).asSlice(0, lengthBytes));
        }
    }

    /** Goes to writing in place, writes some, and comes back with an epoch of everything that the image may lack. */
    void suspendAndResume(SortedMap<Integer, Long> inPlace, SortedMap<Integer, Long> more) throws IOException {
        maySaySuspended = true;
        retry(journal::suspend);
        torn = true;
        tornUntil = Long.MAX_VALUE;
        Stamps before = inImage;
        now = now.with(inPlace);
        for (Map.Entry<Integer, Long> change : inPlace.entrySet()) {
            retry(() -> writeChunk(change.getKey(), change.getValue()));
        }
        // Not synced, so nobody knows what the image has there: apply writes it again.
        SortedMap<Integer, Long> unknown = new TreeMap<>();
        inPlace.keySet().forEach(chunk -> unknown.put(chunk, UNKNOWN));
        inImage = inImage.with(unknown);
        nextEpoch += 2;
        SortedMap<Integer, Long> lacking = new TreeMap<>(more);
        // What was written in place is not durable: it is carried even if it is what was there before.
        for (int chunk = 0; chunk < now.chunkCount(); chunk++) {
            if (now.get(chunk) != before.get(chunk) || inPlace.containsKey(chunk)) {
                lacking.putIfAbsent(chunk, now.get(chunk));
            }
        }
        epoch(lacking, false, true);
        apply();
    }

    /** Stops cleanly and starts again. */
    void restart() throws IOException {
        apply();
        retry(journal::markClean);
        attach();
    }

    @Override
    public void close() throws IOException {
        if (journal != null) {
            journal.close();
        }
    }

    // ---------------------------------------------------------------------------------------------- bytes

    static byte[] read(Backing backing) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(backing.sizeBytes());
            backing.read(0, bytes);
            return bytes.toArray(JAVA_BYTE);
        }
    }
}
