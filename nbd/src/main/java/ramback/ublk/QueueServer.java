package ramback.ublk;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.posix.Errno;
import ramback.posix.PosixException;
import ramback.traffic.PendingAnswers;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestSpan;
import ramback.traffic.SessionTraffic;

/**
 * Serves one queue of a block device: carries requests out in the order in which they come, and gives back with one
 * call what is finished then. Its thread, {@code ublk-ID-QUEUE}, is the request thread of a session of its own; {@code
 * ublk-reply-ID-QUEUE} collects what had to wait. A write's payload comes straight into the session's staging area, a
 * read's leaves straight from the device's memory where the session allows it. Allocates nothing in the steady state.
 */
final class QueueServer {

    private static final Logger LOG = System.getLogger(QueueServer.class.getPackageName());

    private final String name;
    private final KernelQueue queue;
    private final DeviceSession session;
    private final QueueGroup group;
    private final DeferredRequests deferred;
    private final MemorySegment staging;
    private final int stagingBytes;

    /** Why a tag that is neither the driver's nor being served is not answered yet. */
    private enum Waiting {
        /** It is, or is not here. */
        NOT,
        /** The device has deferred it. */
        DEFERRED,
        /** The device takes it no more: who comes after us will serve it. */
        KEPT
    }

    private final Waiting[] waiting;

    private final SessionTraffic traffic;
    private final PendingAnswers answers;
    private final PendingAnswers deferredAnswers;
    /** Of the tags whose requests were understood and are not answered: as what they count, and since when. */
    private final @Nullable RequestKind[] kinds;

    private final long[] receivedNanos;
    private final @Nullable RequestSpan[] spans;
    /** When the last wait ended. */
    private long roundNanos;

    private final int[] finishedTags;
    private final Outcome[] finishedOutcomes;

    /** Tags that the driver has not taken out of service. */
    private int liveCount;

    private boolean isFetched;

    /**
     * @param name what its messages call it
     * @param queue its own; closed by {@link #giveUp}
     * @param session its own; closed and released when both threads have ended
     * @param traffic of that session, closed likewise
     */
    QueueServer(String name, KernelQueue queue, DeviceSession session, QueueGroup group, SessionTraffic traffic) {
        this.name = name;
        this.queue = queue;
        this.session = session;
        this.group = group;
        this.deferred = new DeferredRequests(session, queue);
        this.staging = session.staging();
        this.stagingBytes = (int) staging.byteSize();
        this.liveCount = queue.depth();
        this.waiting = new Waiting[liveCount];
        Arrays.fill(waiting, Waiting.NOT);
        this.traffic = traffic;
        this.answers = traffic.answers();
        this.deferredAnswers = traffic.deferredAnswers();
        this.kinds = new RequestKind[liveCount];
        this.receivedNanos = new long[liveCount];
        this.spans = new RequestSpan[liveCount];
        this.finishedTags = new int[liveCount];
        this.finishedOutcomes = new Outcome[liveCount];
    }

    // ---------------------------------------------------------------------------------------------------- any thread

    /** The group has gone on to a later phase. */
    void phaseChanged(QueueGroup.Phase phase) {
        if (phase.compareTo(QueueGroup.Phase.FAILING) >= 0) {
            session.close(); // also for a thread that waits in it
        }
        try {
            queue.wake();
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> name + ": cannot be woken: " + e.getMessage());
        }
    }

    // --------------------------------------------------------------------------------------------------- reply thread

    /** The reply thread. */
    void runReplies() {
        try {
            deferred.run();
        } catch (PosixException | RuntimeException | Error e) {
            fail(e);
        } finally {
            session.close();
            session.release();
        }
    }

    /** Instead of the reply thread, where that can't be started. */
    void runNoReplies() {
        session.close();
        session.release();
    }

    // ------------------------------------------------------------------------------------------------- queue's thread

    /** The queue's thread: serves until the driver has taken all tags out of service, or the group leaves. */
    void run() {
        try {
            queue.begin();
            for (int tag = 0; tag < queue.depth(); tag++) {
                queue.fetch(tag);
            }
            queue.wake(); // or the first round would end with the first request, which comes only when all is fetched
            while (liveCount > 0 && group.phase() != QueueGroup.Phase.LEAVING) {
                serveRound();
            }
        } catch (PosixException | RuntimeException | Error e) {
            fail(e);
        } finally {
            group.fetched();
            group.awaitAllSilent();
            release();
        }
    }

    /** Instead of its thread, where that can't be started: the others wait for this queue no longer. */
    void runNot() {
        group.fetched();
        group.silent();
        release();
    }

    private void fail(Throwable cause) {
        if (group.fail(cause)) {
            LOG.log(Level.WARNING, name + ": ended by an internal error", cause);
        }
    }

    /** Gives back what it was made with, instead of both threads. */
    void discard() {
        runNot();
        runNoReplies();
        giveUp();
    }

    private void release() {
        session.close();
        session.release();
        traffic.close(); // the reply thread counts nothing
    }

    /** Gives the queue back to the driver. Once, when its threads have ended; for any thread. */
    void giveUp() {
        try {
            queue.close();
        } catch (PosixException e) {
            LOG.log(Level.WARNING, () -> name + ": not closed: " + e.getMessage());
        }
    }

    /**
     * Tells the driver what was finished, waits, and serves all that has come. A tag that cannot be fetched comes back
     * in the first round.
     */
    private void serveRound() throws PosixException {
        answers.sent();
        deferredAnswers.sent();
        queue.await();
        roundNanos = System.nanoTime();
        for (int event = queue.next(); event != KernelQueue.NONE; event = queue.next()) {
            switch (event) {
                case KernelQueue.WOKEN -> woken();
                case KernelQueue.ENDED -> ended(queue.error());
                default -> {
                    if (group.phase() == QueueGroup.Phase.LEAVING) {
                        return;
                    }
                    serve(event);
                }
            }
        }
        if (!isFetched) {
            isFetched = true;
            group.fetched();
        }
    }

    private void ended(int error) throws PosixException {
        liveCount--;
        if (error != Errno.ENODEV && group.phase().compareTo(QueueGroup.Phase.SERVING) <= 0) {
            throw new PosixException(isFetched ? "COMMIT_AND_FETCH_REQ" : "FETCH_REQ", error, null);
        }
    }

    private void woken() throws PosixException {
        int count = deferred.take(finishedTags, finishedOutcomes);
        if (group.phase() == QueueGroup.Phase.LEAVING) {
            return;
        }
        for (int i = 0; i < count; i++) {
            finish(finishedTags[i], finishedOutcomes[i]);
        }
        switch (group.phase()) {
            case STOPPING -> failWaiting(false);
            case FAILING -> failWaiting(true);
            case STARTING, SERVING, LEAVING -> {}
        }
    }

    /** A request that had to wait has come to its end; unless it has failed already. */
    private void finish(int tag, Outcome outcome) {
        if (waiting[tag] == Waiting.NOT) {
            return;
        }
        if (outcome == Outcome.DONE && kinds[tag] == RequestKind.READ) {
            sendLoaded(tag);
        } else {
            answer(tag, outcome);
        }
    }

    private void failWaiting(boolean deferredToo) {
        for (int tag = 0; tag < waiting.length; tag++) {
            if (waiting[tag] == Waiting.KEPT || (deferredToo && waiting[tag] == Waiting.DEFERRED)) {
                commit(tag, -Errno.EIO);
            }
        }
    }

    /** Gives a request back, with the result that the driver is told, and has it counted. */
    private void commit(int tag, int result) {
        queue.commit(tag, result);
        PendingAnswers own = waiting[tag] == Waiting.DEFERRED ? deferredAnswers : answers;
        waiting[tag] = Waiting.NOT;
        if (result < 0) {
            traffic.countFailed();
        }
        RequestKind kind = kinds[tag];
        if (kind == null) {
            return;
        }
        if (own.isFull()) {
            own.sent();
        }
        own.add(kind, receivedNanos[tag], result < 0 ? -result : 0, spans[tag]);
        kinds[tag] = null;
        spans[tag] = null;
    }

    // ------------------------------------------------------------------------------------------------------- requests

    private void serve(int tag) throws PosixException {
        if (group.phase() == QueueGroup.Phase.FAILING) {
            commit(tag, -Errno.EIO);
            return;
        }
        try {
            begin(tag);
        } catch (RuntimeException | Error e) {
            fail(e);
            if (group.phase() != QueueGroup.Phase.FAILING) {
                throw e;
            }
            commit(tag, -Errno.EIO);
        }
    }

    private void begin(int tag) throws PosixException {
        int operation = queue.operation(tag);
        long offsetBytes = queue.offsetBytes(tag);
        long lengthBytes = queue.lengthBytes(tag);
        boolean forceUnitAccess = (operation & Uapi.IO_F_FUA) != 0;
        RequestKind kind = kindOf(operation & Uapi.OP_MASK);
        if (kind == null) {
            commit(tag, -Errno.EOPNOTSUPP);
            return;
        }
        spans[tag] = traffic.begin(kind, offsetBytes, lengthBytes, forceUnitAccess);
        receivedNanos[tag] = roundNanos;
        kinds[tag] = kind;
        switch (kind) {
            case READ -> read(tag, offsetBytes, lengthBytes);
            case WRITE -> write(tag, offsetBytes, (int) lengthBytes, forceUnitAccess);
            case FLUSH -> answer(tag, session.flush(tag));
            case TRIM -> answer(tag, session.trim(offsetBytes, lengthBytes, forceUnitAccess, tag));
            case ZERO -> {
                boolean mayPunch = (operation & Uapi.IO_F_NOUNMAP) == 0;
                answer(tag, session.zero(offsetBytes, lengthBytes, mayPunch, forceUnitAccess, tag));
            }
            case CACHE, STATUS -> throw new IllegalStateException("the driver has no such operation: " + kind);
        }
    }

    private static @Nullable RequestKind kindOf(int operation) {
        return switch (operation) {
            case Uapi.OP_READ -> RequestKind.READ;
            case Uapi.OP_WRITE -> RequestKind.WRITE;
            case Uapi.OP_FLUSH -> RequestKind.FLUSH;
            case Uapi.OP_DISCARD -> RequestKind.TRIM;
            case Uapi.OP_WRITE_ZEROES -> RequestKind.ZERO;
            default -> null;
        };
    }

    private void answer(int tag, Outcome outcome) {
        switch (outcome) {
            case DONE -> commit(tag, resultOf(tag));
            case DEFERRED -> waiting[tag] = Waiting.DEFERRED;
            case IO_ERROR -> commit(tag, -Errno.EIO);
            case NO_SPACE -> commit(tag, -Errno.ENOSPC);
            case READ_ONLY -> commit(tag, -Errno.EPERM);
            case INVALID -> commit(tag, -Errno.EINVAL);
            case SHUTTING_DOWN -> {
                if (group.phase() == QueueGroup.Phase.SERVING) {
                    waiting[tag] = Waiting.KEPT;
                } else {
                    commit(tag, -Errno.EIO);
                }
            }
        }
    }

    /** The driver wants to know how much was read or written, and of the rest only that it is done. */
    private int resultOf(int tag) {
        int operation = queue.operation(tag) & Uapi.OP_MASK;
        boolean movesPayload = operation == Uapi.OP_READ || operation == Uapi.OP_WRITE;
        return movesPayload ? (int) queue.lengthBytes(tag) : 0;
    }

    private void read(int tag, long offsetBytes, long lengthBytes) {
        Outcome outcome = session.prepareRead(offsetBytes, lengthBytes, tag);
        if (outcome == Outcome.DONE) {
            sendLoaded(tag);
        } else {
            answer(tag, outcome);
        }
    }

    private void sendLoaded(int tag) {
        try {
            send(tag, queue.offsetBytes(tag), queue.lengthBytes(tag));
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> name + ": a read's payload was not taken: " + e.getMessage());
            commit(tag, -Errno.EIO);
            return;
        }
        commit(tag, resultOf(tag));
    }

    /** Straight from memory, or in pieces of the staging area, which holds nothing between two requests. */
    private void send(int tag, long offsetBytes, long lengthBytes) throws PosixException {
        if (session.memoryIsDirect(offsetBytes, lengthBytes)) {
            queue.send(tag, 0, session.memory(), offsetBytes, lengthBytes);
            return;
        }
        long sentBytes = 0;
        while (sentBytes < lengthBytes) {
            int pieceBytes = (int) Math.min(stagingBytes, lengthBytes - sentBytes);
            session.copy(offsetBytes + sentBytes, pieceBytes, staging, 0);
            queue.send(tag, sentBytes, staging, 0, pieceBytes);
            sentBytes += pieceBytes;
        }
    }

    /**
     * The first piece of the payload is received before the write begins, so that one that cannot be had fails by
     * itself; once it has begun it must be stored to its end.
     */
    private void write(int tag, long offsetBytes, int lengthBytes, boolean forceUnitAccess) throws PosixException {
        int heldBytes = Math.min(lengthBytes, stagingBytes);
        try {
            queue.receive(tag, 0, staging, 0, heldBytes);
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> name + ": a write's payload was not given: " + e.getMessage());
            commit(tag, -Errno.EIO);
            return;
        }
        Outcome outcome = session.beginWrite(offsetBytes, lengthBytes, forceUnitAccess, tag);
        if (outcome != Outcome.DONE) {
            answer(tag, outcome);
            return;
        }
        store(tag, lengthBytes, heldBytes);
        answer(tag, session.endWrite());
    }

    /** Stores a payload whose first bytes are in the staging area. */
    private void store(int tag, int lengthBytes, int firstBytes) throws PosixException {
        int receivedBytes = firstBytes;
        int heldBytes = firstBytes;
        int leftBytes = lengthBytes;
        while (leftBytes > 0) {
            int takenBytes = session.store(0, heldBytes);
            leftBytes -= takenBytes;
            heldBytes -= takenBytes;
            int moreBytes = Math.min(lengthBytes - receivedBytes, stagingBytes - heldBytes);
            if (takenBytes == 0 && moreBytes == 0 && leftBytes > 0) {
                throw new IllegalStateException("the session takes nothing of " + heldBytes + " bytes");
            }
            if (takenBytes > 0 && heldBytes > 0) {
                MemorySegment.copy(staging, takenBytes, staging, 0, heldBytes);
            }
            if (moreBytes > 0) {
                queue.receive(tag, receivedBytes, staging, heldBytes, moreBytes);
                receivedBytes += moreBytes;
                heldBytes += moreBytes;
            }
        }
    }
}
