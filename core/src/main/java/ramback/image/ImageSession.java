package ramback.image;

import static ramback.image.ChunkTable.wordOf;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.image.Deferrals.Promise;
import ramback.image.Deferrals.Slot;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.PosixException;
import ramback.trace.TraceEvent;

/** One client's requests: checks them, cuts them into runs, and defers what must wait. */
final class ImageSession implements DeviceSession {

    private static final int THREAD_COUNT = 2;

    private final ImageDevice device;
    private final ChunkStore store;
    private final int index;
    private final MemorySegment staging;
    private final Promises promises;
    private final Admission admission;
    private final Worker requestWorker;
    private final Worker replyWorker;
    private final Deferrals deferrals;
    private final AtomicInteger threadCount = new AtomicInteger(THREAD_COUNT);
    private final long sizeBytes;
    private final int shift;
    private final int runBytesMax;
    private final boolean detectsZeroes;
    private @Nullable Thread replyThread;

    // The write, or zeroing, that is under way on the request thread.
    private long token;
    private long atBytes;
    private long endBytes;
    private boolean forceUnitAccess;
    private long epoch;
    private Outcome outcome = Outcome.DONE;
    private @Nullable Slot slot;

    ImageSession(
            ImageDevice device,
            int index,
            SharedSegment segment,
            Loading loading,
            Promises promises,
            Admission admission)
            throws PosixException {
        this.device = device;
        this.store = device.store;
        this.index = index;
        this.staging = segment.staging(index);
        this.promises = promises;
        this.admission = admission;
        int first = index * ImageDevice.WORKERS_PER_SESSION;
        this.requestWorker = new Worker(first, segment.redoSlot(first));
        this.replyWorker = new Worker(first + 1, segment.redoSlot(first + 1));
        this.deferrals = new Deferrals(device, loading, promises, admission, replyWorker);
        this.sizeBytes = store.layout().sizeBytes();
        this.shift = store.layout().chunkShift();
        this.runBytesMax = Math.max(SegmentLayout.RUN_BYTES, store.layout().chunkBytes());
        this.detectsZeroes = device.detectsZeroes();
    }

    @Override
    public MemorySegment staging() {
        return staging;
    }

    @Override
    public int deferredCountMax() {
        return Deferrals.SLOT_COUNT;
    }

    private boolean isOutside(long offsetBytes, long lengthBytes) {
        return offsetBytes < 0 || lengthBytes < 0 || offsetBytes > sizeBytes || lengthBytes > sizeBytes - offsetBytes;
    }

    // ------------------------------------------------------------------------------------------------------ reads

    @Override
    public Outcome prepareRead(long offsetBytes, long lengthBytes, long requestToken) {
        if (device.isStopping()) {
            return Outcome.SHUTTING_DOWN;
        }
        if (isOutside(offsetBytes, lengthBytes)) {
            return Outcome.INVALID;
        }
        if (device.trace.isOn()) {
            device.trace.record(TraceEvent.READ, offsetBytes, lengthBytes);
        }
        if (lengthBytes == 0 || store.isLoaded(offsetBytes, lengthBytes)) {
            return Outcome.DONE;
        }
        Slot taken = deferrals.takeSlot(requestToken);
        if (taken == null) {
            return Outcome.SHUTTING_DOWN;
        }
        deferrals.parkRead(taken, offsetBytes >>> shift, (offsetBytes + lengthBytes - 1) >>> shift);
        return Outcome.DEFERRED;
    }

    @Override
    public void copy(long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes) {
        Worker worker = Thread.currentThread() == replyThread ? replyWorker : requestWorker;
        store.copy(worker, offsetBytes, lengthBytes, into, intoOffsetBytes);
    }

    @Override
    public MemorySegment memory() {
        return store.data();
    }

    @Override
    public boolean memoryIsDirect(long offsetBytes, long lengthBytes) {
        return store.isDirect(offsetBytes, lengthBytes);
    }

    @Override
    public long extent(long offsetBytes, long limitBytes, int interest) {
        if (offsetBytes < 0 || offsetBytes >= limitBytes || limitBytes > sizeBytes) {
            throw new IllegalArgumentException(
                    "extent at " + offsetBytes + " up to " + limitBytes + " of " + sizeBytes + " bytes");
        }
        return store.extent(offsetBytes, limitBytes, interest);
    }

    // ----------------------------------------------------------------------------------------------------- writes

    private Outcome begin(long offsetBytes, long lengthBytes, boolean force, long requestToken, Outcome outside) {
        if (device.isStopping()) {
            return Outcome.SHUTTING_DOWN;
        }
        if (device.readOnly()) {
            return Outcome.READ_ONLY;
        }
        if (isOutside(offsetBytes, lengthBytes)) {
            return outside;
        }
        token = requestToken;
        atBytes = offsetBytes;
        endBytes = offsetBytes + lengthBytes;
        forceUnitAccess = force;
        epoch = -1;
        outcome = Outcome.DONE;
        slot = null;
        return Outcome.DONE;
    }

    @Override
    public Outcome beginWrite(long offsetBytes, int lengthBytes, boolean force, long requestToken) {
        if (lengthBytes > Device.PAYLOAD_BYTES_MAX) {
            return Outcome.INVALID;
        }
        Outcome begun = begin(offsetBytes, lengthBytes, force, requestToken, Outcome.NO_SPACE);
        if (begun == Outcome.DONE && device.trace.isOn()) {
            device.trace.record(TraceEvent.WRITE, offsetBytes, lengthBytes);
        }
        return begun;
    }

    @Override
    public int store(int stagingOffsetBytes, int availableBytes) {
        int taken = 0;
        while (taken < availableBytes) {
            int length = runLength(availableBytes - taken);
            if (length == 0) {
                break;
            }
            if (outcome == Outcome.DONE && detectsZeroes) {
                storeWithoutZeroes(length, stagingOffsetBytes + taken);
            } else if (outcome == Outcome.DONE) {
                storeRun(length, staging, stagingOffsetBytes + taken);
            }
            atBytes += length;
            taken += length;
        }
        return taken;
    }

    /** How many of the available bytes make the next run: to a chunk's end or the request's, 0 if they don't reach. */
    private int runLength(long availableBytes) {
        long reach = atBytes + Math.min(availableBytes, runBytesMax);
        if (reach >= endBytes) {
            return Math.toIntExact(endBytes - atBytes);
        }
        // A chunk must not be split: a whole one is then never loaded, and stored at one moment.
        long end = reach >>> shift << shift;
        return end <= atBytes ? 0 : Math.toIntExact(end - atBytes);
    }

    /** Stores a run at the request's position; parts of chunks that are not loaded are parked by themselves. */
    private void storeRun(int lengthBytes, @Nullable MemorySegment from, long fromOffsetBytes) {
        long begin = atBytes;
        long end = atBytes + lengthBytes;
        long first = begin >>> shift;
        if (isPartAndUnloaded(first, begin, end)) {
            long headEnd = Math.min(end, (first + 1) << shift);
            parkForLoad(begin, headEnd, from, fromOffsetBytes);
            fromOffsetBytes += headEnd - begin;
            begin = headEnd;
        }
        long tailBegin = end;
        long last = (end - 1) >>> shift;
        if (begin < end && last << shift >= begin && isPartAndUnloaded(last, begin, end)) {
            tailBegin = Math.max(begin, last << shift);
        }
        if (begin < tailBegin) {
            storeLoaded(begin, (int) (tailBegin - begin), from, fromOffsetBytes);
        }
        if (tailBegin < end) {
            parkForLoad(tailBegin, end, from, fromOffsetBytes + tailBegin - begin);
        }
    }

    /** Stores a run at the request's position, of which chunks that it covers and that are zeroes become so without being stored. */
    private void storeWithoutZeroes(int lengthBytes, long fromOffsetBytes) {
        long begin = atBytes;
        long end = begin + lengthBytes;
        long dataBegin = begin;
        long at = begin;
        while (at < end && outcome == Outcome.DONE) {
            long zeroEnd = zeroesUntil(at, end, fromOffsetBytes - begin);
            if (zeroEnd > at) {
                storeData(dataBegin, at, fromOffsetBytes - begin);
                zeroWithinWord(at >>> shift, (zeroEnd - 1) >>> shift);
                dataBegin = zeroEnd;
                at = zeroEnd;
            } else {
                at = Math.min(end, ((at >>> shift) + 1) << shift);
            }
        }
        storeData(dataBegin, end, fromOffsetBytes - begin);
        atBytes = begin;
    }

    private void storeData(long begin, long end, long fromMinusAtBytes) {
        if (begin < end && outcome == Outcome.DONE) {
            atBytes = begin;
            storeRun((int) (end - begin), staging, begin + fromMinusAtBytes);
        }
    }

    /** Where the chunks of zeroes end that begin here, lie in one word and are covered up to {@code end}; here if there is none. */
    private long zeroesUntil(long begin, long end, long fromMinusAtBytes) {
        long at = begin;
        do {
            long next = Math.min(end, ((at >>> shift) + 1) << shift);
            if (!store.covers(at >>> shift, at, next - at) || !Zeroes.fill(staging, at + fromMinusAtBytes, next - at)) {
                break;
            }
            at = next;
        } while (at < end && (at >>> shift & 63) != 0);
        return at;
    }

    private boolean isPartAndUnloaded(long chunk, long begin, long end) {
        return (store.table().loaded(wordOf(chunk)) >>> chunk & 1) == 0 && !store.covers(chunk, begin, end - begin);
    }

    private void parkForLoad(long begin, long end, @Nullable MemorySegment from, long fromOffsetBytes) {
        Slot mine = ownSlot();
        if (mine != null) {
            deferrals.parkStore(mine, begin, (int) (end - begin), from, fromOffsetBytes, 0, false);
        }
    }

    private @Nullable Slot ownSlot() {
        if (slot == null) {
            slot = deferrals.takeSlot(token);
            if (slot == null) {
                outcome = Outcome.SHUTTING_DOWN;
            }
        }
        return slot;
    }

    private void storeLoaded(long begin, int lengthBytes, @Nullable MemorySegment from, long fromOffsetBytes) {
        long chunkCount = store.chunkCountOf(begin, lengthBytes);
        boolean isDelayed = false;
        long admitted = admission.admit(chunkCount, false);
        while (admitted != Admission.GO) {
            isDelayed |= admitted > 0;
            if (from != null && deferrals.canPark(lengthBytes)) {
                Slot mine = ownSlot();
                if (mine != null) {
                    long until = Math.abs(admitted);
                    deferrals.parkStore(mine, begin, lengthBytes, from, fromOffsetBytes, until, isDelayed);
                }
                return;
            }
            // Nothing more can be parked: from here on the socket is not read.
            if (!deferrals.pause(Math.abs(admitted))) {
                outcome = Outcome.SHUTTING_DOWN;
                return;
            }
            admitted = admission.admit(chunkCount, isDelayed);
        }
        noteEpoch(store.store(requestWorker, begin, lengthBytes, from, fromOffsetBytes));
    }

    private void noteEpoch(long written) {
        if (written == ChunkStore.NO_MEMORY) {
            outcome = Outcome.NO_SPACE;
        } else {
            epoch = Math.max(epoch, written);
        }
    }

    @Override
    public Outcome endWrite() {
        Promise promise = forceUnitAccess ? Promise.FLUSH : Promise.WRITE;
        Slot taken = slot;
        if (taken == null) {
            if (outcome != Outcome.DONE || epoch < 0 || deferrals.isKept(promise, epoch)) {
                return outcome;
            }
            taken = deferrals.takeSlot(token);
            if (taken == null) {
                return Outcome.SHUTTING_DOWN;
            }
        }
        slot = null;
        return deferrals.end(taken, outcome, promise, epoch);
    }

    // ------------------------------------------------------------------------------------------------------ zeroes

    @Override
    public Outcome zero(long offsetBytes, long lengthBytes, boolean mayPunch, boolean force, long requestToken) {
        Outcome begun = begin(offsetBytes, lengthBytes, force, requestToken, Outcome.NO_SPACE);
        if (begun != Outcome.DONE) {
            return begun;
        }
        if (device.trace.isOn()) {
            device.trace.record(TraceEvent.ZERO, offsetBytes, lengthBytes);
        }
        while (atBytes < endBytes && outcome == Outcome.DONE) {
            long chunk = atBytes >>> shift;
            if (!store.covers(chunk, atBytes, endBytes - atBytes)) {
                zeroPart(chunk);
            } else if (mayPunch) {
                zeroChunks(chunk);
            } else {
                int length = runLength(runBytesMax);
                storeRun(length, null, 0);
                atBytes += length;
            }
        }
        return endWrite();
    }

    /** Zeroes the part of a chunk that the request covers, byte by byte, unless it reads as zeroes anyway. */
    private void zeroPart(long chunk) {
        int length = (int) (Math.min(endBytes, (chunk + 1) << shift) - atBytes);
        long word = wordOf(chunk);
        if (((store.table().loaded(word) & store.table().zero(word)) >>> chunk & 1) == 0) {
            storeRun(length, null, 0);
        } else {
            // It may have become so in the open epoch.
            epoch = Math.max(epoch, device.epochs.open());
        }
        atBytes += length;
    }

    /** Zeroes the chunks of one word that the request covers from here on. */
    private void zeroChunks(long first) {
        long afterLast = endBytes == sizeBytes ? store.layout().chunkCount() : endBytes >>> shift;
        long last = Math.min(first | 63, afterLast - 1);
        zeroWithinWord(first, last);
        if (outcome != Outcome.SHUTTING_DOWN) {
            atBytes = Math.min(endBytes, (last + 1) << shift);
        }
    }

    private void zeroWithinWord(long first, long last) {
        for (long admitted = admission.admitZeroes(); admitted != Admission.GO; admitted = admission.admitZeroes()) {
            if (!deferrals.pause(Math.abs(admitted))) {
                outcome = Outcome.SHUTTING_DOWN;
                return;
            }
        }
        noteEpoch(store.zeroRun(requestWorker, first, last));
    }

    @Override
    public Outcome trim(long offsetBytes, long lengthBytes, boolean force, long requestToken) {
        Outcome begun = begin(offsetBytes, lengthBytes, force, requestToken, Outcome.INVALID);
        if (begun != Outcome.DONE) {
            return begun;
        }
        if (device.trace.isOn()) {
            device.trace.record(TraceEvent.TRIM, offsetBytes, lengthBytes);
        }
        while (atBytes < endBytes && outcome == Outcome.DONE) {
            long chunk = atBytes >>> shift;
            if (store.covers(chunk, atBytes, endBytes - atBytes)) {
                zeroChunks(chunk);
            } else {
                atBytes = Math.min(endBytes, (chunk + 1) << shift);
            }
        }
        return endWrite();
    }

    @Override
    public Outcome flush(long requestToken) {
        if (device.isStopping()) {
            return Outcome.SHUTTING_DOWN;
        }
        long open = device.epochs.open();
        // Nothing in the open epoch: then what was acknowledged is in the one before. If it has been cut meanwhile, the
        // answer may be about a later epoch, so the caution is to wait for this one.
        boolean isEmpty = device.epochs.firstDirtyNanos(open) == 0 && device.epochs.open() == open;
        long target = isEmpty ? open - 1 : open;
        boolean isKept = promises.isEverythingDurable() || deferrals.isKept(Promise.FLUSH, target);
        if (device.trace.isOn()) {
            device.trace.record(TraceEvent.FLUSH, isKept ? -1 : target, device.dirty.chunkCount());
        }
        if (isKept) {
            promises.flushed();
            return Outcome.DONE;
        }
        Slot taken = deferrals.takeSlot(requestToken);
        return taken == null ? Outcome.SHUTTING_DOWN : deferrals.end(taken, Outcome.DONE, Promise.FLUSH, target);
    }

    // ------------------------------------------------------------------------------------------------ reply thread

    @Override
    public long awaitDeferred() {
        if (replyThread == null) {
            replyThread = Thread.currentThread();
        }
        return deferrals.awaitDeferred();
    }

    @Override
    public Outcome deferredOutcome() {
        return deferrals.lastOutcome();
    }

    @Override
    public boolean hasDeferred() {
        return deferrals.hasFinished();
    }

    void wake() {
        deferrals.wake();
    }

    @Override
    public void close() {
        deferrals.close();
    }

    @Override
    public void release() {
        if (threadCount.decrementAndGet() == 0) {
            deferrals.dispose();
            device.sessionReleased(index);
        }
    }
}
