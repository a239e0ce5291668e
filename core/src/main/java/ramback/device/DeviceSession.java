package ramback.device;

import java.lang.foreign.MemorySegment;

/**
 * One client connection's handle on a {@link Device}. Two threads use it: the <em>request thread</em> issues requests
 * in the order in which they arrive, the <em>reply thread</em> collects the ones that had to wait through
 * {@link #awaitDeferred()}. Each method says whose it is; none may be called by two threads at once.
 *
 * <p>A request that can be served from RAM is done when the method returns. One that must wait (for a load, for room
 * under the dirty limit, for a commit) returns {@link Outcome#DEFERRED} and does not hold up the requests behind it; it
 * carries a {@code token}, the caller's own number for the request, non-negative, by which it comes back. At most
 * {@link #deferredCountMax()} requests of a session wait at once; the method that would make it one more blocks until
 * one has been collected, so that a client that does not read its replies stalls nobody but itself.
 *
 * <p>A FLUSH covers every write of every session that was acknowledged before it was issued. Requests of one session
 * that are in flight together have no order among each other, as on any disk.
 */
public interface DeviceSession extends AutoCloseable {

    /** What {@link #awaitDeferred()} returns when the session has been closed. */
    long CLOSED = -1;

    // -------------------------------------------------------------------------------------------- request thread

    /**
     * The session's staging area, at least 128 KiB and at least a chunk and 64 KiB: received bytes are put here, so
     * that payload is already where {@link #store} wants it. It lies in the shared memory segment; the caller may
     * use all of it as a receive buffer.
     */
    MemorySegment staging();

    /** The greatest number of requests of this session that wait at once. */
    int deferredCountMax();

    /**
     * Makes a range readable: asks for what is not in RAM yet. {@link Outcome#DONE}: all of it is loaded, and stays so;
     * {@link #copy} and {@link #memoryIsDirect} may be used on it by either thread. READ and CACHE both begin here.
     *
     * @param lengthBytes 0 or more; not limited
     * @return DONE, DEFERRED, INVALID (out of range), IO_ERROR, SHUTTING_DOWN
     */
    Outcome prepareRead(long offsetBytes, long lengthBytes, long token);

    /**
     * Begins a write. After {@link Outcome#DONE} the payload follows through {@link #store} in one or more pieces, then
     * {@link #endWrite}; no other request may be issued in between. After any other outcome the request is over (its
     * payload, if any, is the caller's to skip).
     *
     * @param lengthBytes 0 to {@link Device#PAYLOAD_BYTES_MAX}
     * @param forceUnitAccess whether it must be durable before it is done (FUA)
     * @return DONE, READ_ONLY, NO_SPACE (out of range), INVALID, SHUTTING_DOWN
     */
    Outcome beginWrite(long offsetBytes, int lengthBytes, boolean forceUnitAccess, long token);

    /**
     * Stores the next piece of the current write's payload from the staging area. Takes as many bytes as make whole
     * runs (a run ends where a chunk ends, or where the request ends), possibly none: then the caller must put more
     * payload behind the piece and call again. A piece of a chunk and 64 KiB, or one that reaches the request's end,
     * is never refused. May block while the device throttles writes.
     *
     * @param stagingOffsetBytes where the piece begins in {@link #staging()}
     * @param availableBytes how many bytes of payload are there, at most what the request still lacks
     * @return the number of bytes taken, 0 to {@code availableBytes}; they may be overwritten at once
     */
    int store(int stagingOffsetBytes, int availableBytes);

    /**
     * Ends the current write, after all of its payload was stored.
     *
     * @return DONE, DEFERRED, NO_SPACE (memory ran out, in a sparse device), IO_ERROR (a partly covered chunk could
     *     not be loaded)
     */
    Outcome endWrite();

    /**
     * Makes a range read as zeroes (WRITE_ZEROES).
     *
     * @param lengthBytes 0 or more; not limited to a payload
     * @param mayPunch whether the range may become a hole; otherwise its space stays allocated (NO_HOLE)
     * @return DONE, DEFERRED, READ_ONLY, NO_SPACE (out of range, or memory ran out), IO_ERROR, SHUTTING_DOWN
     */
    Outcome zero(long offsetBytes, long lengthBytes, boolean mayPunch, boolean forceUnitAccess, long token);

    /**
     * Drops the contents of the chunks that lie wholly in the range (TRIM): they read as zeroes afterwards and become
     * holes. Partly covered chunks keep their contents: TRIM is advice.
     *
     * @param lengthBytes 0 or more; not limited to a payload
     * @return DONE, DEFERRED, READ_ONLY, INVALID (out of range), SHUTTING_DOWN
     */
    Outcome trim(long offsetBytes, long lengthBytes, boolean forceUnitAccess, long token);

    /**
     * Makes durable, as far as the mode promises it, every write that any session was acknowledged before this call.
     *
     * @return DONE, DEFERRED, IO_ERROR
     */
    Outcome flush(long token);

    // ---------------------------------------------------------------------------------------------- either thread

    /**
     * Copies a loaded range out (see {@link #prepareRead}). Never blocks. A range that is being overwritten at the
     * same time may come out as any mixture of old and new bytes, as on any disk.
     */
    void copy(long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes);

    /** The whole device's memory, to be read only, where {@link #memoryIsDirect} says so. */
    MemorySegment memory();

    /**
     * Returns whether a loaded range may be sent straight from {@link #memory()}: it holds data there, and memory is
     * never given back behind the caller's back.
     */
    boolean memoryIsDirect(long offsetBytes, long lengthBytes);

    /**
     * Looks up which states the byte at an offset is in, and how far the bytes behind it are in the same ones. Never
     * waits, reads no data and allocates nothing. Each byte's states are those of some moment during the call.
     *
     * @param offsetBytes 0 to the device's size, exclusive
     * @param limitBytes where to stop looking: more than {@code offsetBytes}, at most the device's size
     * @param interest the states of {@link Extent} that are told apart; the others are not in the answer
     * @return an {@link Extent} that ends at {@code limitBytes} at most
     */
    long extent(long offsetBytes, long limitBytes, int interest);

    // ------------------------------------------------------------------------------------------------ reply thread

    /**
     * Waits for the next deferred request to be finished and returns its token; its outcome is then
     * {@link #deferredOutcome()}. A deferred {@link #prepareRead} is finished when its range is loaded.
     *
     * @return the token, or {@link #CLOSED} once {@link #close()} was called
     */
    long awaitDeferred();

    /**
     * Returns whether {@link #awaitDeferred()} would return at once, so that the reply thread can send the replies of
     * requests that finished together (all the writes of one commit) in one go. A session that does not know says false.
     */
    default boolean hasDeferred() {
        return false;
    }

    /** The final outcome of the request that {@link #awaitDeferred()} returned last; never DEFERRED. */
    Outcome deferredOutcome();

    // ---------------------------------------------------------------------------------------------- any thread

    /**
     * Ends the session; may be called by any thread, more than once. The other two threads come out of this session's
     * methods; requests that still wait are dropped (they were never acknowledged). The session's staging area and
     * {@link #memory()} stay mapped until both threads have called {@link #release()}.
     */
    @Override
    void close();

    /**
     * Says that the calling thread will not touch this session again; each of the two threads calls it once, last of
     * all. When both have, the staging area goes to the next session.
     */
    void release();
}
