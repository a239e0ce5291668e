package ramback.ublk;

import java.lang.foreign.MemorySegment;
import ramback.posix.PosixException;

/**
 * The kernel's end of one queue of a block device. A request is known by its tag, 0 to {@link #depth()} − 1. Each tag
 * is either the driver's, after {@link #fetch} or {@link #commit}, until {@link #next} returns it with a request, or
 * the server's, until it commits. All methods but {@link #wake} are for the one thread that called {@link #begin}.
 */
interface KernelQueue {

    /** What {@link #next} returns when it has no more events. */
    int NONE = -1;

    /** What {@link #next} returns after {@link #wake}. */
    int WOKEN = -2;

    /** What {@link #next} returns when the driver takes a tag out of service; {@link #error} says why. */
    int ENDED = -3;

    /** How many tags there are. */
    int depth();

    /** Makes the calling thread the queue's. */
    void begin() throws PosixException;

    /** Offers a tag to the driver for the first time; it is told with the next {@link #await}. */
    void fetch(int tag);

    /**
     * Gives a request back and its tag to the driver; it is told with the next {@link #await}.
     *
     * @param result bytes that were read or written, 0 for what moves none, or a negated errno
     */
    void commit(int tag, int result);

    /** Tells the driver of everything since the last call, and waits until there is an event: one system call. */
    void await() throws PosixException;

    /** Takes the next event: a tag that has a request now, {@link #NONE}, {@link #WOKEN} or {@link #ENDED}. */
    int next();

    /**
     * The errno, positive, with which the tag was taken out of service that {@link #next} returned last: ENODEV as a
     * rule.
     */
    int error();

    /** The operation and flags of the request that a tag has. */
    int operation(int tag);

    /** Where the request begins, in bytes. */
    long offsetBytes(int tag);

    /** The request's length in bytes. */
    long lengthBytes(int tag);

    /**
     * Copies part of a write's payload out of the kernel.
     *
     * @throws PosixException EIO where it does not give all of it; as pread otherwise
     */
    void receive(int tag, long payloadOffsetBytes, MemorySegment into, long intoOffsetBytes, long lengthBytes)
            throws PosixException;

    /**
     * Copies part of a read's payload into the kernel.
     *
     * @throws PosixException EIO where it does not take all of it; as pwrite otherwise
     */
    void send(int tag, long payloadOffsetBytes, MemorySegment from, long fromOffsetBytes, long lengthBytes)
            throws PosixException;

    /**
     * Ends the {@link #await} that is under way, or the next one. Any thread, also before {@link #begin}; after {@link
     * #close}, which no other thread hears of, it does nothing.
     */
    void wake() throws PosixException;

    /**
     * Gives the queue up: the driver takes all tags back that it may. To be called once, when the queue's thread has
     * ended, if there was one: to a thread that lives, Linux before 6.15 goes on handing out requests that came at the last
     * moment, though it has taken back already what was out; it would then wait for those for ever, and nobody could
     * recover the block device.
     */
    void close() throws PosixException;
}
