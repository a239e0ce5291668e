package ramback.image;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.trace.TraceEvent;

/**
 * The requests of one session that wait. A request in a slot is over when all its parked parts have been stored and, if
 * its mode asks for it, their epoch is committed. Everything here is made when it is first needed and then kept; the lock is only ever taken
 * for requests that wait. Loads are finished by loader threads, which only queue the part; stores happen on the
 * session's reply thread.
 */
final class Deferrals {

    /** The greatest number of requests of a session that wait at once. */
    static final int SLOT_COUNT = 256;

    private static final int PART_COUNT = 4 * SLOT_COUNT;

    /** Why a request waits; ordinals appear in the trace. */
    enum Reason {
        LOAD,
        ROOM,
        COMMIT
    }

    /** What a slot's request must see committed. */
    enum Promise {
        NOTHING,
        /** As a plain write: only in modes in which writes wait. */
        WRITE,
        /** As FLUSH or FUA. */
        FLUSH
    }

    /** One request that waits. Guarded by the lock. */
    static final class Slot {
        long token;
        int parkedParts;
        boolean ended;
        Outcome outcome = Outcome.DONE;
        Promise promise = Promise.NOTHING;
        long epoch = -1;

        @Nullable
        Slot next;
    }

    /** A part of a request that is parked: a range to be loaded, and then perhaps stored. */
    final class Part extends Demand {
        Slot slot = unusedSlot;
        long offsetBytes;
        int lengthBytes;
        boolean isStore;
        boolean isDelayed;
        int payload = NO_PAYLOAD;
        long untilNanos;
        boolean isLoaded;

        @Override
        public DemandQueue queue() {
            return demands;
        }

        @Override
        public void finished(boolean loaded) {
            lock.lock();
            try {
                isLoaded = loaded;
                ready.add(this);
            } finally {
                lock.unlock();
            }
            replySignal.raise();
        }
    }

    static final int NO_PAYLOAD = -1;
    private static final long NONE = -2;

    private final ImageDevice device;
    private final Loading loading;
    private final Promises promises;
    private final Admission admission;
    private final Worker replyWorker;
    private final ParkedPayload payloads;
    private final DemandQueue demands = new DemandQueue();

    final ReentrantLock lock = new ReentrantLock();
    final Signal replySignal;
    private final Signal requestSignal;
    private final Slot unusedSlot = new Slot();
    private final SlotQueue freeSlots = new SlotQueue();
    /** How many slots have been made: like parts they are made when they are first needed, and then kept. */
    private int slotCount;

    private final SlotQueue waitingWrites = new SlotQueue();
    private final SlotQueue waitingFlushes = new SlotQueue();
    private final SlotQueue finished = new SlotQueue();
    private final PartQueue freeParts = new PartQueue();
    private int freePartCount = PART_COUNT;
    private final PartQueue ready = new PartQueue();
    private final PartQueue throttled = new PartQueue();
    private volatile boolean closed;
    private Outcome lastOutcome = Outcome.DONE;

    Deferrals(ImageDevice device, Loading loading, Promises promises, Admission admission, Worker replyWorker) {
        this.device = device;
        this.loading = loading;
        this.promises = promises;
        this.admission = admission;
        this.replyWorker = replyWorker;
        this.payloads = new ParkedPayload(device.chunkBytes());
        this.replySignal = new Signal(device.clock);
        this.requestSignal = new Signal(device.clock);
    }

    /** First in, first out, of slots; intrusive, so that queueing allocates nothing. */
    static final class SlotQueue {
        private @Nullable Slot head;
        private @Nullable Slot tail;

        void add(Slot slot) {
            slot.next = null;
            Slot last = tail;
            if (last == null) {
                head = slot;
            } else {
                last.next = slot;
            }
            tail = slot;
        }

        @Nullable
        Slot peek() {
            return head;
        }

        @Nullable
        Slot poll() {
            Slot first = head;
            if (first != null) {
                head = first.next;
                tail = head == null ? null : tail;
                first.next = null;
            }
            return first;
        }
    }

    /** The same of parts, over the link that a demand has anyway. */
    private static final class PartQueue {
        private @Nullable Part head;
        private @Nullable Part tail;

        void add(Part part) {
            part.next = null;
            Part last = tail;
            if (last == null) {
                head = part;
            } else {
                last.next = part;
            }
            tail = part;
        }

        @Nullable
        Part peek() {
            return head;
        }

        @Nullable
        Part poll() {
            Part first = head;
            if (first != null) {
                head = (Part) first.next;
                tail = head == null ? null : tail;
                first.next = null;
            }
            return first;
        }
    }

    // -------------------------------------------------------------------------------------------- request thread

    /** Takes a slot, waiting until one is free; null when the session is closed. */
    @Nullable
    Slot takeSlot(long token) {
        while (!closed) {
            lock.lock();
            try {
                Slot slot = freeSlots.poll();
                if (slot == null && slotCount < SLOT_COUNT) {
                    slot = new Slot();
                    slotCount++;
                }
                if (slot != null) {
                    slot.token = token;
                    slot.parkedParts = 0;
                    slot.ended = false;
                    slot.outcome = Outcome.DONE;
                    slot.promise = Promise.NOTHING;
                    slot.epoch = -1;
                    device.waitingCount.incrementAndGet();
                    return slot;
                }
            } finally {
                lock.unlock();
            }
            requestSignal.await(Clock.NEVER);
        }
        return null;
    }

    /** Parks a read, or a CACHE, until its range is loaded. The slot is ended with it. */
    void parkRead(Slot slot, long firstChunk, long lastChunk) {
        Part part = takePart(slot);
        part.isStore = false;
        slot.ended = true;
        askFor(part, firstChunk, lastChunk);
    }

    private Part takePart(Slot slot) {
        lock.lock();
        try {
            if (freePartCount == 0) {
                throw new IllegalStateException("more parked parts than there are");
            }
            Part part = freeParts.poll();
            if (part == null) {
                part = new Part();
            }
            freePartCount--;
            part.slot = slot;
            part.payload = NO_PAYLOAD;
            part.isDelayed = false;
            part.isLoaded = true;
            slot.parkedParts++;
            return part;
        } finally {
            lock.unlock();
        }
    }

    private void askFor(Part part, long firstChunk, long lastChunk) {
        part.firstChunk = firstChunk;
        part.lastChunk = lastChunk;
        device.trace.record(TraceEvent.DEFER, part.slot.token, Reason.LOAD.ordinal());
        loading.demand(part);
    }

    /**
     * Parks a store: copies its payload aside, waiting until there is room for it.
     *
     * @param from the payload, or null for zeroes
     * @param untilNanos when it may be stored; 0: when its chunk is loaded
     * @param isDelayed whether it has only to wait until then, and for room, and not for the throttle once more
     * @return false when the session was closed meanwhile
     */
    boolean parkStore(
            Slot slot,
            long offsetBytes,
            int lengthBytes,
            @Nullable MemorySegment from,
            long fromOffsetBytes,
            long untilNanos,
            boolean isDelayed) {
        int payload = from == null ? NO_PAYLOAD : takePayload(lengthBytes);
        if (from != null) {
            if (payload == NO_PAYLOAD) {
                return false;
            }
            MemorySegment.copy(from, fromOffsetBytes, payloads.memory(), payloads.begin(payload), lengthBytes);
        }
        Part part = takePart(slot);
        part.isStore = true;
        part.offsetBytes = offsetBytes;
        part.lengthBytes = lengthBytes;
        part.payload = payload;
        part.isDelayed = isDelayed;
        if (untilNanos == 0) {
            long chunk = offsetBytes >>> device.store.layout().chunkShift();
            askFor(part, chunk, chunk);
        } else {
            throttle(part, untilNanos);
            replySignal.raise();
        }
        return true;
    }

    /** Returns whether a throttled store of this size can be parked at once, without waiting for room. */
    boolean canPark(int lengthBytes) {
        lock.lock();
        try {
            // Parts are kept back for every waiting request's first and last chunk.
            return freePartCount > 2 * SLOT_COUNT && payloads.hasRoom(lengthBytes);
        } finally {
            lock.unlock();
        }
    }

    private int takePayload(int lengthBytes) {
        while (!closed) {
            lock.lock();
            try {
                int payload = payloads.take(lengthBytes);
                if (payload >= 0) {
                    payloads.memory();
                    return payload;
                }
            } finally {
                lock.unlock();
            }
            requestSignal.await(Clock.NEVER);
        }
        return NO_PAYLOAD;
    }

    /** Ends a request that took a slot; returns its outcome, or DEFERRED when it comes back by the reply thread. */
    Outcome end(Slot slot, Outcome outcome, Promise promise, long epoch) {
        lock.lock();
        try {
            if (slot.outcome == Outcome.DONE) {
                slot.outcome = outcome;
            }
            slot.epoch = Math.max(slot.epoch, epoch);
            slot.promise = promise;
            slot.ended = true;
            if (slot.parkedParts > 0) {
                return Outcome.DEFERRED;
            }
            if (isOver(slot)) {
                Outcome result = slot.outcome;
                free(slot);
                return result;
            }
            queueForCommit(slot);
            return Outcome.DEFERRED;
        } finally {
            lock.unlock();
        }
    }

    /** Waits, on the request thread, until a time; returns false when the session was closed meanwhile. */
    boolean pause(long untilNanos) {
        while (!closed && device.clock.nanoTime() < untilNanos) {
            requestSignal.await(untilNanos);
        }
        return !closed;
    }

    // --------------------------------------------------------------------------------------------- what is over

    /** Returns whether the mode in force lets a request with this promise go. */
    boolean isKept(Promise promise, long epoch) {
        Mode mode = device.mode();
        return switch (promise) {
            case NOTHING -> true;
            case WRITE -> !mode.writesWait() || promises.committed() >= epoch;
            case FLUSH ->
                mode.flushesWait()
                        ? promises.committed() >= epoch
                        : mode != Mode.CHECKPOINT || !promises.isOverdue() || promises.committed() >= epoch;
        };
    }

    private boolean isOver(Slot slot) {
        return slot.outcome != Outcome.DONE || isKept(slot.promise, slot.epoch);
    }

    private void queueForCommit(Slot slot) {
        device.trace.record(TraceEvent.DEFER, slot.token, Reason.COMMIT.ordinal());
        promises.demand(slot.epoch);
        (slot.promise == Promise.WRITE ? waitingWrites : waitingFlushes).add(slot);
        // It may have been committed before it was in the queue, when nobody would have been told.
        replySignal.raise();
    }

    private void free(Slot slot) {
        device.waitingCount.decrementAndGet();
        freeSlots.add(slot);
        requestSignal.raise();
    }

    // ---------------------------------------------------------------------------------------------- reply thread

    long awaitDeferred() {
        while (!closed) {
            long token = poll();
            if (token != NONE) {
                return token;
            }
            replySignal.await(nextDeadlineNanos());
        }
        return ramback.device.DeviceSession.CLOSED;
    }

    /** Whether {@link #awaitDeferred} would return a request without waiting for anybody. */
    boolean hasFinished() {
        lock.lock();
        try {
            moveKept(waitingWrites);
            moveKept(waitingFlushes);
            return finished.peek() != null || ready.peek() != null;
        } finally {
            lock.unlock();
        }
    }

    Outcome lastOutcome() {
        return lastOutcome;
    }

    private long nextDeadlineNanos() {
        lock.lock();
        try {
            Part first = throttled.peek();
            return ready.peek() != null ? 0 : first == null ? Clock.NEVER : first.untilNanos;
        } finally {
            lock.unlock();
        }
    }

    private long poll() {
        while (true) {
            Part part;
            lock.lock();
            try {
                Slot slot = nextFinished();
                if (slot != null) {
                    long token = slot.token;
                    lastOutcome = slot.outcome;
                    device.trace.record(TraceEvent.RESUME, token, slot.outcome.ordinal());
                    free(slot);
                    return token;
                }
                part = nextRunnable();
                if (part == null) {
                    return NONE;
                }
            } finally {
                lock.unlock();
            }
            run(part);
        }
    }

    private @Nullable Slot nextFinished() {
        moveKept(waitingWrites);
        moveKept(waitingFlushes);
        return finished.poll();
    }

    private void moveKept(SlotQueue waiting) {
        Slot slot = waiting.peek();
        while (slot != null && isOver(slot)) {
            waiting.poll();
            finished.add(slot);
            slot = waiting.peek();
        }
    }

    private @Nullable Part nextRunnable() {
        Part part = ready.poll();
        if (part != null) {
            return part;
        }
        part = throttled.peek();
        if (part != null && part.untilNanos <= device.clock.nanoTime()) {
            return throttled.poll();
        }
        return null;
    }

    private void throttle(Part part, long untilNanos) {
        device.trace.record(TraceEvent.DEFER, part.slot.token, Reason.ROOM.ordinal());
        part.untilNanos = untilNanos;
        lock.lock();
        try {
            throttled.add(part);
        } finally {
            lock.unlock();
        }
    }

    private void run(Part part) {
        if (!part.isLoaded) {
            finish(part, Outcome.IO_ERROR, -1);
        } else if (!part.isStore) {
            finish(part, Outcome.DONE, -1);
        } else if (admit(part)) {
            MemorySegment from = part.payload == NO_PAYLOAD ? null : payloads.memory();
            long fromOffset = part.payload == NO_PAYLOAD ? 0 : payloads.begin(part.payload);
            long epoch = device.store.store(replyWorker, part.offsetBytes, part.lengthBytes, from, fromOffset);
            finish(part, epoch == ChunkStore.NO_MEMORY ? Outcome.NO_SPACE : Outcome.DONE, epoch);
        }
    }

    /** Asks for room for a part; when it must wait, it waits among the throttled ones. */
    private boolean admit(Part part) {
        long chunkCount = device.store.chunkCountOf(part.offsetBytes, part.lengthBytes);
        long admitted = admission.admit(chunkCount, part.isDelayed);
        if (admitted == Admission.GO) {
            return true;
        }
        part.isDelayed |= admitted > 0;
        throttle(part, Math.abs(admitted));
        return false;
    }

    private void finish(Part part, Outcome outcome, long epoch) {
        lock.lock();
        try {
            Slot slot = part.slot;
            if (part.payload != NO_PAYLOAD) {
                payloads.free(part.payload);
            }
            freeParts.add(part);
            freePartCount++;
            requestSignal.raise();
            if (slot.outcome == Outcome.DONE) {
                slot.outcome = outcome;
            }
            slot.epoch = Math.max(slot.epoch, epoch);
            slot.parkedParts--;
            if (slot.parkedParts == 0 && slot.ended) {
                if (isOver(slot)) {
                    finished.add(slot);
                } else {
                    queueForCommit(slot);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    // ---------------------------------------------------------------------------------------------- any thread

    void wake() {
        replySignal.raise();
    }

    void close() {
        closed = true;
        replySignal.raise();
        requestSignal.raise();
    }

    boolean isClosed() {
        return closed;
    }

    /** Forgets the requests that were dropped; when both threads are gone. */
    void dispose() {
        lock.lock();
        try {
            int free = 0;
            for (Slot slot = freeSlots.peek(); slot != null; slot = slot.next) {
                free++;
            }
            device.waitingCount.addAndGet(free - slotCount);
        } finally {
            lock.unlock();
        }
    }
}
