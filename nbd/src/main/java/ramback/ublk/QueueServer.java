package ramback.ublk;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/**
 * Serves one queue of a block device: carries requests out in the order in which they come, and gives back with one call
 * what is finished then. Its thread, {@code ublk-ID-QUEUE}, is the request thread of a session of its own;
 * {@code ublk-reply-ID-QUEUE} collects what had to wait. A write's payload comes straight into the session's staging area, a
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

    private final int[] finishedTags;
    private final Outcome[] finishedOutcomes;

    /** Tags that the driver has not taken out of service. */
    private int liveCount;

    private boolean isFetched;

    /**
     * @param name what its messages call it
     * @param queue its own; closed when it ends
     * @param session its own; closed and released when both threads have ended
     */
    QueueServer(String name, KernelQueue queue, DeviceSession session, QueueGroup group) {
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

    // ------------------------------------------------------------------------------------------------- queue's thread

    /** The queue's thread: serves until the driver has taken all tags out of service, or the group leaves. */
    void run() {
        try {
            queue.begin();
            for (int tag = 0; tag < queue.depth(); tag++) {
                queue.fetch(tag);
            }
            queue.wake(); // behind them: so the answers to those that fail come first
            while (liveCount > 0 && group.phase() != QueueGroup.Phase.LEAVING) {
                serveRound();
            }
        } catch (PosixException | RuntimeException | Error e) {
            fail(e);
        } finally {
            group.fetched();
            group.awaitAllSilent();
            close();
        }
    }

    private void fail(Throwable cause) {
        if (group.fail(cause)) {
            LOG.log(Level.WARNING, name + ": ended by an internal error", cause);
        }
    }

    /** Gives back what it was made with, when none of its threads has been started. */
    void discard() {
        close();
        session.release();
    }

    private void close() {
        session.close();
        try {
            queue.close();
        } catch (PosixException e) {
            LOG.log(Level.WARNING, () -> name + ": not closed: " + e.getMessage());
        } finally {
            session.release();
        }
    }

    /** Tells the driver what was finished, waits, and serves all that has come. */
    private void serveRound() throws PosixException {
        queue.await();
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
    }

    private void ended(int error) throws PosixException {
        liveCount--;
        if (error != Errno.ENODEV && group.phase().compareTo(QueueGroup.Phase.SERVING) <= 0) {
            throw new PosixException(isFetched ? "COMMIT_AND_FETCH_REQ" : "FETCH_REQ", error, null);
        }
    }

    private void woken() throws PosixException {
        if (!isFetched) {
            isFetched = true;
            group.fetched();
        }
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
        waiting[tag] = Waiting.NOT;
        if (outcome == Outcome.DONE && (queue.operation(tag) & Uapi.OP_MASK) == Uapi.OP_READ) {
            sendLoaded(tag);
        } else {
            answer(tag, outcome);
        }
    }

    private void failWaiting(boolean deferredToo) {
        for (int tag = 0; tag < waiting.length; tag++) {
            if (waiting[tag] == Waiting.KEPT || (deferredToo && waiting[tag] == Waiting.DEFERRED)) {
                waiting[tag] = Waiting.NOT;
                queue.commit(tag, -Errno.EIO);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------- requests

    private void serve(int tag) throws PosixException {
        if (group.phase() == QueueGroup.Phase.FAILING) {
            queue.commit(tag, -Errno.EIO);
            return;
        }
        try {
            begin(tag);
        } catch (RuntimeException | Error e) {
            fail(e);
            if (group.phase() != QueueGroup.Phase.FAILING) {
                throw e;
            }
            queue.commit(tag, -Errno.EIO);
        }
    }

    private void begin(int tag) throws PosixException {
        int operation = queue.operation(tag);
        long offsetBytes = queue.offsetBytes(tag);
        long lengthBytes = queue.lengthBytes(tag);
        boolean forceUnitAccess = (operation & Uapi.IO_F_FUA) != 0;
        switch (operation & Uapi.OP_MASK) {
            case Uapi.OP_READ -> read(tag, offsetBytes, lengthBytes);
            case Uapi.OP_WRITE -> write(tag, offsetBytes, (int) lengthBytes, forceUnitAccess);
            case Uapi.OP_FLUSH -> answer(tag, session.flush(tag));
            case Uapi.OP_DISCARD -> answer(tag, session.trim(offsetBytes, lengthBytes, forceUnitAccess, tag));
            case Uapi.OP_WRITE_ZEROES -> {
                boolean mayPunch = (operation & Uapi.IO_F_NOUNMAP) == 0;
                answer(tag, session.zero(offsetBytes, lengthBytes, mayPunch, forceUnitAccess, tag));
            }
            default -> queue.commit(tag, -Errno.EOPNOTSUPP);
        }
    }

    private void answer(int tag, Outcome outcome) {
        switch (outcome) {
            case DONE -> queue.commit(tag, resultOf(tag));
            case DEFERRED -> waiting[tag] = Waiting.DEFERRED;
            case IO_ERROR -> queue.commit(tag, -Errno.EIO);
            case NO_SPACE -> queue.commit(tag, -Errno.ENOSPC);
            case READ_ONLY -> queue.commit(tag, -Errno.EPERM);
            case INVALID -> queue.commit(tag, -Errno.EINVAL);
            case SHUTTING_DOWN -> {
                if (group.phase() == QueueGroup.Phase.SERVING) {
                    waiting[tag] = Waiting.KEPT;
                } else {
                    queue.commit(tag, -Errno.EIO);
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
            queue.commit(tag, -Errno.EIO);
            return;
        }
        queue.commit(tag, resultOf(tag));
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
     * The first piece of the payload is received before the write begins, so that one that cannot be had fails by itself;
     * once it has begun it must be stored to its end.
     */
    private void write(int tag, long offsetBytes, int lengthBytes, boolean forceUnitAccess) throws PosixException {
        int heldBytes = Math.min(lengthBytes, stagingBytes);
        try {
            queue.receive(tag, 0, staging, 0, heldBytes);
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> name + ": a write's payload was not given: " + e.getMessage());
            queue.commit(tag, -Errno.EIO);
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
