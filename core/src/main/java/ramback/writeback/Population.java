package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.clock.Rate;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.image.Demand;
import ramback.image.DemandQueue;
import ramback.image.Loading;
import ramback.journal.ImageChecksums;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.trace.FlightLoad;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * Brings the image into RAM: in the background from its beginning to its end, in large ranges, and ahead of that
 * whatever a request waits for. Several loaders read at once, never the same chunk; holes of the image are not read. A
 * loader reads into a buffer of its own and installs only chunks that nobody has written meanwhile. Sessions are served
 * in turn, so that one with many demands does not hold up the others. What an {@link ImageCheck} is pending for is read in whole
 * blocks, and installed only if it is what the image held at its last clean stop.
 *
 * <p>Safe for use by many threads. The lock guards who reads what; nobody holds it while reading.
 */
public final class Population implements Loading {

    /** How many ranges are read at once. */
    public static final int LOADER_COUNT = 4;

    /** A demand reads at least what lies around it in a block of this size: the next demand is probably there. */
    private static final int DEMAND_BYTES_MIN = 64 << 10;

    private static final int POPULATE_BYTES = 32 << 20;
    private static final long RETRY_NANOS_MIN = 1_000_000_000L;
    private static final long RETRY_NANOS_MAX = 30_000_000_000L;

    /** After so many ranges in a row of which nothing could be read, the background rests. */
    static final int FAILED_RANGE_COUNT_MAX = 4;

    private static final int BUFFER_ALIGNMENT = 4096;
    private static final int BLOCK_SHIFT = Integer.numberOfTrailingZeros(ImageChecksums.BLOCK_BYTES);

    private final SharedSegment segment;
    private final ChunkStore store;
    private final Backing backing;
    private final Clock clock;
    private final Trace trace;
    private final Faults faults;
    private volatile ImageCheck check;
    private final Rate rate;
    private final int shift;
    private final long chunkCount;
    private final List<Loader> loaders = new ArrayList<>();
    private final List<AgentThread> threads = new ArrayList<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<DemandQueue> round = new ArrayDeque<>();
    private final ArrayDeque<Demand> blocked = new ArrayDeque<>();
    private final Courtesy courtesy;
    private volatile BooleanSupplier writeBehindIsUrgent = () -> false;
    private volatile Runnable onLateLoad = () -> {};
    private long cursorChunk;
    private long dataEndChunk;
    private boolean scanning;
    private long populatedBytes;
    private boolean populating;
    private long retryNanos = RETRY_NANOS_MIN;
    private long nextPassNanos = Clock.NEVER;
    /** Ranges in a row of which nothing could be read, and until when the background rests for that. */
    private int failedRangeCount;

    private long restUntilNanos;
    private boolean ending;
    private volatile boolean complete;
    /** Changed under the lock. */
    private volatile long failedPassCount;

    /** A population of this store from this image; {@link #start} sets it going. */
    public Population(
            SharedSegment segment, ChunkStore store, Backing backing, Clock clock, Trace trace, Faults faults) {
        this.segment = segment;
        this.store = store;
        this.backing = backing;
        this.clock = clock;
        this.trace = trace;
        this.faults = faults;
        this.check = ImageCheck.none(backing, faults);
        this.rate = new Rate(clock);
        this.shift = store.layout().chunkShift();
        this.chunkCount = store.layout().chunkCount();
        this.courtesy = new Courtesy(clock, () -> writeBehindIsUrgent.getAsBoolean());
        if (segment.granules() != null) {
            populatedBytes = store.layout().dataBytes();
        }
        for (int i = 0; i < LOADER_COUNT; i++) {
            loaders.add(new Loader(i));
        }
    }

    /** The loaders, to be stepped; a simulation's alternative to {@link #start}. */
    public List<? extends Agent> agents() {
        return loaders;
    }

    /** Tells whom background reading steps back for, besides its own demands: write-behind, when somebody waits for it. */
    public void stepBackWhile(BooleanSupplier isUrgent) {
        writeBehindIsUrgent = isUrgent;
    }

    /**
     * Tells whom to tell when something was loaded from behind what the image still has: it was read before that was cut off, and the
     * image does not have it any more.
     */
    public void whenLoadedLate(Runnable listener) {
        onLateLoad = listener;
    }

    /** Tells what the image is to be checked against while it is loaded; before {@link #start}. */
    public void checkAgainst(ImageCheck imageCheck) {
        check = imageCheck;
    }

    /** Starts the loaders' threads. */
    public void start() {
        for (Loader loader : loaders) {
            threads.add(AgentThread.start(loader, clock, loader.signal));
        }
    }

    /** Begins to read nothing more, in the background or for a demand; does not wait for what is being read. */
    public void end() {
        lock.lock();
        try {
            ending = true;
        } finally {
            lock.unlock();
        }
    }

    /** Stops the loaders after what they are reading now; what waits for a load is not answered any more. */
    public void stop() {
        threads.forEach(AgentThread::stop);
        loaders.forEach(loader -> loader.arena.close());
    }

    /** Whether every chunk is in RAM. */
    public boolean isComplete() {
        return complete;
    }

    /**
     * How often reading in the background was put off, because some of the image could not be read after all of it was gone through, or
     * nothing of several ranges in a row; it is tried again each time.
     */
    public long failedPassCount() {
        return failedPassCount;
    }

    /** Bytes a second read from the image lately. */
    public double bytesPerSecond() {
        return rate.perSecond();
    }

    @Override
    public void demand(Demand demand) {
        trace.record(TraceEvent.DEMAND, demand.firstChunk, demand.lastChunk - demand.firstChunk + 1);
        lock.lock();
        try {
            courtesy.noteDemand();
            enqueue(demand);
        } finally {
            lock.unlock();
        }
        wakeAll();
    }

    private void enqueue(Demand demand) {
        DemandQueue queue = demand.queue();
        queue.add(demand);
        if (!queue.inRound) {
            queue.inRound = true;
            round.add(queue);
        }
    }

    private void wakeAll() {
        for (Loader loader : loaders) {
            loader.signal.raise();
        }
    }

    /** What a loader is to do next. */
    private enum Work {
        /** Nothing that may be done now. */
        NONE,
        /** Read a range and install it. */
        READ,
        /** Find the next extent of data. */
        SCAN,
        /** Make page tables for memory that no range was read into. */
        POPULATE,
        /** A demand turned out to be loaded already. */
        ANSWER,
        /** A demand is for what was changed behind our back. */
        REFUSE
    }

    private final class Loader implements Agent {

        private final int number;
        private final Signal signal = new Signal(clock);
        private final Backoff backoff = new Backoff();
        private final Arena arena = Arena.ofShared();
        private final int bufferBytes =
                Math.max(Courtesy.RANGE_BYTES_MAX, store.layout().chunkBytes());
        private @Nullable MemorySegment buffer;

        // The range being read, guarded by the population's lock; none if first > last.
        private long first = 0;
        private long last = -1;
        private boolean inBackground;
        private @Nullable Demand demand;
        private long populateFrom;

        Loader(int number) {
            this.number = number;
        }

        @Override
        public String name() {
            return "loader-" + number;
        }

        @Override
        public long step() {
            Work work;
            long deadlineNanos;
            lock.lock();
            try {
                work = choose();
                deadlineNanos = backgroundDueNanos();
            } finally {
                lock.unlock();
            }
            switch (work) {
                case NONE -> {
                    return deadlineNanos;
                }
                case READ -> read();
                case SCAN -> scan();
                case POPULATE -> populate();
                case ANSWER -> answer(true);
                case REFUSE -> answer(false);
            }
            return 0;
        }

        // ------------------------------------------------------------------------- choosing, under the lock

        private Work choose() {
            if (ending) {
                return Work.NONE;
            }
            Work work = chooseDemand();
            if (work != Work.NONE) {
                return work;
            }
            return chooseBackground();
        }

        private Work chooseDemand() {
            for (DemandQueue queue = round.poll(); queue != null; queue = round.poll()) {
                queue.inRound = false;
                Demand next = queue.poll();
                if (next == null) {
                    continue;
                }
                if (!queue.isEmpty()) {
                    queue.inRound = true;
                    round.add(queue);
                }
                long missing = store.firstUnloaded(next.firstChunk, next.lastChunk);
                if (missing < 0) {
                    demand = next;
                    return Work.ANSWER;
                }
                next.firstChunk = missing;
                if (check.isChanged(blockOf(missing))) {
                    demand = next;
                    return Work.REFUSE;
                }
                if (isBeingRead(missing)) {
                    // Whoever reads it puts the demand back into the round.
                    blocked.add(next);
                    continue;
                }
                demand = next;
                long block = Math.max(1, DEMAND_BYTES_MIN >>> shift);
                long wanted = Math.max(next.lastChunk, missing / block * block + block - 1);
                claim(missing, Math.min(wanted, chunkCount - 1), Courtesy.RANGE_BYTES_MIN);
                inBackground = false;
                return Work.READ;
            }
            return Work.NONE;
        }

        private long backgroundDueNanos() {
            if (ending) {
                return Clock.NEVER;
            }
            return restUntilNanos > clock.nanoTime() ? restUntilNanos : nextPassNanos;
        }

        private Work chooseBackground() {
            if (clock.nanoTime() < restUntilNanos) {
                return Work.NONE;
            }
            if (nextPassNanos != Clock.NEVER && clock.nanoTime() >= nextPassNanos) {
                nextPassNanos = Clock.NEVER;
                cursorChunk = 0;
                dataEndChunk = 0;
            }
            while (cursorChunk < chunkCount && !scanning) {
                if (cursorChunk >= dataEndChunk) {
                    scanning = true;
                    return Work.SCAN;
                }
                long missing = store.firstUnloaded(cursorChunk, dataEndChunk - 1);
                if (missing < 0) {
                    cursorChunk = dataEndChunk;
                } else if (check.isChanged(blockOf(missing))) {
                    cursorChunk = Math.min(dataEndChunk, lastOf(blockOf(missing)) + 1);
                } else if (isBeingRead(missing)) {
                    cursorChunk = missing + 1;
                } else if (courtesy.mayQueue(backgroundCount())) {
                    claim(missing, dataEndChunk - 1, courtesy.rangeBytes());
                    cursorChunk = last + 1;
                    inBackground = true;
                    return Work.READ;
                } else {
                    return Work.NONE;
                }
            }
            return cursorChunk >= chunkCount ? chooseWhenRead() : Work.NONE;
        }

        private Work chooseWhenRead() {
            if (nextPassNanos == Clock.NEVER && !complete && busyCount() == 0) {
                if (store.firstUnloaded(0, chunkCount - 1) < 0) {
                    // In this order: whoever waits for all to be loaded finds that nothing fails any more.
                    faults.noteLoaded();
                    complete = true;
                } else {
                    // Some of it could not be read: again from the beginning, after a while.
                    nextPassNanos = putOff();
                }
            }
            if (populatedBytes < store.layout().dataBytes() && !populating) {
                populating = true;
                populateFrom = populatedBytes;
                return Work.POPULATE;
            }
            return Work.NONE;
        }

        /** When to try again what failed: after a while that doubles each time until something can be read. */
        private long putOff() {
            long failed = failedPassCount + 1;
            failedPassCount = failed;
            long due = clock.nanoTime() + retryNanos;
            retryNanos = Math.min(RETRY_NANOS_MAX, retryNanos * 2);
            return due;
        }

        /** Claims a range: unloaded chunks from the first on, nobody else's, no longer than allowed. */
        private void claim(long from, long atMost, int bytesMax) {
            long begin = check.isPending(blockOf(from)) ? firstOf(blockOf(from)) : from;
            long end = check.isPending(blockOf(atMost)) ? lastOf(blockOf(atMost)) : atMost;
            end = Math.min(end, begin + Math.max(1, bytesMax >>> shift) - 1);
            for (Loader other : loaders) {
                if (other != this && other.first <= other.last && other.first > from) {
                    end = Math.min(end, other.first - 1);
                }
            }
            // A range is never shorter than a block, so that one that begins with a pending block has all of it.
            long lastBlock = blockOf(end);
            if (end < lastOf(lastBlock) && firstOf(lastBlock) > begin && check.isPending(lastBlock)) {
                end = firstOf(lastBlock) - 1;
            }
            first = begin;
            last = end;
        }

        private boolean isBeingRead(long chunk) {
            for (Loader other : loaders) {
                if (other.first <= chunk && chunk <= other.last) {
                    return true;
                }
            }
            return false;
        }

        private int backgroundCount() {
            int count = 0;
            for (Loader other : loaders) {
                count += other.first <= other.last && other.inBackground ? 1 : 0;
            }
            return count;
        }

        private int busyCount() {
            int count = 0;
            for (Loader other : loaders) {
                count += other.first <= other.last ? 1 : 0;
            }
            return count;
        }

        // ------------------------------------------------------------------------------- working, without it

        private void read() {
            long beginNanos = clock.nanoTime();
            long offset = first << shift;
            long length = Math.min(store.layout().sizeBytes(), (last + 1) << shift) - offset;
            boolean isWhole = false;
            boolean isAny = false;
            FlightLoad event = trace.isRecorded() ? FlightLoad.open() : null;
            try {
                isWhole = readAndInstall(first, last, offset, length);
                isAny = wasRead || readOneByOne(first, last);
            } finally {
                if (event != null) {
                    event.end(offset, length, !inBackground, isWhole);
                }
                // Whatever happened: a claim, or a demand, that nobody works on any more would be waited for for ever.
                endRead(isWhole ? length : 0, isAny, clock.nanoTime() - beginNanos);
            }
        }

        private void endRead(long readBytes, boolean isAny, long nanos) {
            lock.lock();
            try {
                if (readBytes >= Courtesy.RANGE_BYTES_MIN) {
                    courtesy.noteRange(readBytes, nanos);
                }
                noteWhetherItReads(isAny);
                release();
            } finally {
                lock.unlock();
            }
            wakeAll();
            Demand served = demand;
            if (served != null) {
                if (store.firstUnloaded(served.firstChunk, Math.min(served.lastChunk, last())) >= 0) {
                    answer(false);
                } else {
                    again(served);
                }
            }
        }

        /** A disk that gives nothing at all is not asked for each of its chunks in turn; one that does is taken to be cured. */
        private void noteWhetherItReads(boolean isAny) {
            if (isAny) {
                failedRangeCount = 0;
                restUntilNanos = 0;
                retryNanos = RETRY_NANOS_MIN;
            } else if (inBackground && ++failedRangeCount == FAILED_RANGE_COUNT_MAX) {
                failedRangeCount = 0;
                restUntilNanos = putOff();
            }
        }

        private long lastRead;

        private long last() {
            return lastRead;
        }

        /** Ends this loader's claim and lets the demands look again that waited for somebody's. */
        private void release() {
            lastRead = last;
            first = 0;
            last = -1;
            for (Demand waiting = blocked.poll(); waiting != null; waiting = blocked.poll()) {
                enqueue(waiting);
            }
        }

        /** Puts a demand back that may need more, or answers it. */
        private void again(Demand served) {
            demand = null;
            if (store.firstUnloaded(served.firstChunk, served.lastChunk) < 0) {
                served.finished(true);
                return;
            }
            lock.lock();
            try {
                enqueue(served);
            } finally {
                lock.unlock();
            }
        }

        private void answer(boolean loaded) {
            Demand served = demand;
            demand = null;
            if (served != null) {
                served.finished(loaded);
            }
        }

        /** Whether the range could be read, whatever it turned out to be. */
        private boolean wasRead;

        private boolean readAndInstall(long from, long to, long offset, long length) {
            MemorySegment into = buffer().asSlice(0, length);
            wasRead = false;
            try {
                backing.read(offset, into);
                rate.add(length);
                segmentPopulate(offset, length);
                boolean isWhole =
                        check.isOver() ? install(from, to, into, offset + length) : installGood(from, to, into, offset);
                wasRead = true;
                return isWhole;
            } catch (IOException e) {
                faults.note(Faults.Kind.LOAD, offset, e);
                return false;
            }
        }

        private boolean install(long from, long to, MemorySegment bytes, long endBytes) throws IOException {
            if (!store.install(backoff, from, to, bytes)) {
                throw new IOException("no memory for what was read from the image; free some, or trim the device");
            }
            if (endBytes > backing.intactBytes()) {
                onLateLoad.run();
            }
            return true;
        }

        /** Installs the blocks of a range, in whole or in part, that nobody changed behind our back. */
        private boolean installGood(long from, long to, MemorySegment bytes, long offset) throws IOException {
            boolean all = true;
            long next;
            for (long chunk = from; chunk <= to; chunk = next) {
                long block = blockOf(chunk);
                next = Math.min(to, lastOf(block)) + 1;
                long at = (chunk - from) << shift;
                MemorySegment part = bytes.asSlice(at, Math.min((next - chunk) << shift, bytes.byteSize() - at));
                all &= check.isGood(block, part) && install(chunk, next - 1, part, offset + at + part.byteSize());
            }
            return all;
        }

        /**
         * After a failure: whatever can be read is loaded, the rest stays unloaded and is tried again later. For a demand only what
         * that wants: a disk that takes long to fail would keep it waiting for its neighbours. What is read of a
         * pending block may make it whole all the same; only if some of it can be read and some can't, its check is given up.
         */
        private boolean readOneByOne(long from, long to) {
            boolean isAny = false;
            Demand served = demand;
            long end = served == null ? to : Math.min(to, served.lastChunk);
            long next;
            for (long chunk = from; from != to && chunk <= end; chunk = next) {
                long block = blockOf(chunk);
                next = Math.min(to, lastOf(block)) + 1;
                isAny |= readChunks(block, chunk, check.isPending(block) ? next - 1 : Math.min(end, next - 1));
            }
            return isAny;
        }

        private boolean readChunks(long block, long from, long to) {
            long begin = from << shift;
            long end = Math.min(store.layout().sizeBytes(), (to + 1) << shift);
            MemorySegment bytes = buffer().asSlice(0, end - begin);
            BitSet isRead = new BitSet();
            for (long chunk = from; chunk <= to; chunk++) {
                try {
                    backing.read(chunk << shift, chunkOf(bytes, chunk - from));
                    isRead.set((int) (chunk - from));
                } catch (IOException e) {
                    faults.note(Faults.Kind.LOAD, chunk << shift, e);
                }
            }
            if (isRead.isEmpty()) {
                return false;
            }
            if (isRead.cardinality() != to - from + 1) {
                check.giveUp(block);
            }
            if (check.isGood(block, bytes)) {
                installEach(from, isRead, bytes);
            }
            return true;
        }

        private void installEach(long from, BitSet isRead, MemorySegment bytes) {
            for (int i = isRead.nextSetBit(0); i >= 0; i = isRead.nextSetBit(i + 1)) {
                MemorySegment chunk = chunkOf(bytes, i);
                long offset = (from + i) << shift;
                try {
                    install(from + i, from + i, chunk, offset + chunk.byteSize());
                } catch (IOException e) {
                    faults.note(Faults.Kind.LOAD, offset, e);
                }
            }
        }

        private MemorySegment chunkOf(MemorySegment bytes, long index) {
            long at = index << shift;
            return bytes.asSlice(at, Math.min(1L << shift, bytes.byteSize() - at));
        }

        private void segmentPopulate(long offset, long length) {
            if (segment.granules() == null) {
                segment.populate(offset, length);
            }
        }

        private MemorySegment buffer() {
            MemorySegment present = buffer;
            if (present == null) {
                present = arena.allocate(bufferBytes, BUFFER_ALIGNMENT);
                buffer = present;
            }
            return present;
        }

        /** Finds where data begins again; what lies before is a hole and needs no reading. */
        private void scan() {
            long from = cursorChunk << shift;
            long dataBegin = from;
            long dataEnd = backing.sizeBytes();
            try {
                dataBegin = backing.nextDataOffset(from);
                dataEnd = dataBegin < backing.sizeBytes() ? backing.nextHoleOffset(dataBegin) : dataBegin;
            } catch (IOException e) {
                // Then nothing is known to be a hole: all of it is read.
                faults.note(Faults.Kind.LOAD, from, e);
            }
            boolean toTheEnd = dataBegin >= backing.sizeBytes();
            long firstData = toTheEnd ? chunkCount : dataBegin >>> shift;
            if (!toTheEnd && check.isPending(blockOf(firstData))) {
                // A block that is partly a hole is read.
                firstData = Math.max(cursorChunk, firstOf(blockOf(firstData)));
            }
            if (firstData > cursorChunk) {
                installHole(cursorChunk, firstData - 1);
            }
            long endData = toTheEnd ? chunkCount : Math.min(chunkCount, ((dataEnd - 1) >>> shift) + 1);
            if (check.isPending(blockOf(endData - 1))) {
                endData = lastOf(blockOf(endData - 1)) + 1;
            }
            if (toTheEnd) {
                // All that was to be done before somebody could use the device is done.
                segment.populateStates();
            }
            lock.lock();
            try {
                cursorChunk = firstData;
                dataEndChunk = endData;
                scanning = false;
            } finally {
                lock.unlock();
            }
            wakeAll();
        }

        private void installHole(long from, long to) {
            if (check.isOver()) {
                store.installHole(backoff, from, to);
                return;
            }
            long goodFrom = from;
            for (long block = blockOf(from); block <= blockOf(to); block++) {
                if (!check.isGoodHole(block)) {
                    if (firstOf(block) > goodFrom) {
                        store.installHole(backoff, goodFrom, firstOf(block) - 1);
                    }
                    goodFrom = lastOf(block) + 1;
                }
            }
            if (goodFrom <= to) {
                store.installHole(backoff, goodFrom, to);
            }
        }

        private void populate() {
            long length = Math.min(POPULATE_BYTES, store.layout().dataBytes() - populateFrom);
            segment.populate(populateFrom, length);
            lock.lock();
            try {
                populatedBytes = populateFrom + length;
                populating = false;
            } finally {
                lock.unlock();
            }
        }
    }

    /** The block of checksums that a chunk lies in. */
    private long blockOf(long chunk) {
        return chunk << shift >>> BLOCK_SHIFT;
    }

    private long firstOf(long block) {
        return block << BLOCK_SHIFT >>> shift;
    }

    private long lastOf(long block) {
        return Math.min(chunkCount, firstOf(block + 1)) - 1;
    }

    /** Bytes of the image that are still to be loaded. */
    public long remainingBytes() {
        long chunks = chunkCount - store.loadedChunkCount();
        return Math.min(chunks << shift, SegmentLayout.SIZE_BYTES_MAX);
    }
}
