package ramback.journal;

import java.io.IOException;
import java.time.Instant;

/**
 * A durable sequence of epochs, each a set of chunk versions that becomes durable as a whole or not at all. Epochs are
 * appended and committed in order, and truncated in order once the image has them. One thread calls everything but
 * {@link #usedBytes} and {@link #tail}, which any may. A log may be a local file or a replicated service; nothing here
 * assumes that appending is cheap or that the log is near.
 *
 * <p>When {@link #append}, {@link #barrier} or {@link #commit} throws, the log stands where it stood after the last of these
 * that made something durable ({@link #barrier} or {@link #commit}): the caller appends again all that it appended since.
 */
public interface EpochLog extends AutoCloseable {

    /**
     * Whether the log keeps the versions of chunks. If not, an epoch is durable only when the image has it, and
     * nothing is appended.
     */
    boolean keepsVersions();

    /** Adds versions to the epoch after the last committed one; not durable before {@link #barrier} or {@link #commit}. */
    void append(long epoch, VersionBatch batch) throws IOException;

    /**
     * Writes bytes of no meaning where epochs will go next, and makes them durable: who measures the time knows what the log takes.
     * Changes nothing that the log holds. Only between two epochs.
     *
     * @param skipBytes how far behind the newest epoch to begin
     * @param lengthBytes how much to write
     * @return how much was written; 0 when there is no room, or a log has no use for it
     */
    default long rehearse(long skipBytes, long lengthBytes) throws IOException {
        return 0;
    }

    /** Makes what was appended durable, so that the caller may forget it. The epoch is not committed by that. */
    void barrier() throws IOException;

    /**
     * Commits an epoch: durable from now on, with everything appended to it and all epochs before it.
     *
     * @param time of day, for people: what a recovery says it went back to
     */
    void commit(long epoch, Instant time) throws IOException;

    /**
     * Makes sure that whoever had the log before can append nothing any more; before the first append.
     */
    void fence() throws IOException;

    /** The oldest epoch that has not been truncated, or -1 if there is none. */
    long tail();

    /**
     * Says that the image is going to hold parts of epochs up to this one, so that until it is truncated no older state can be
     * recovered exactly. An epoch may be applied only when this has returned and the epoch is committed; called before its commit,
     * this costs nothing. A caller that never says so is taken to apply each epoch as soon as it is committed.
     */
    default void applying(long epoch) throws IOException {
        // A log that recovers nothing need not know.
    }

    /** Forgets an epoch and all before it, durably: the image has them. Their space is free when this returns. */
    void truncate(long epoch) throws IOException;

    /**
     * Says, durably, that from now on the image is changed without this log, so that it may be torn, and forgets all epochs. The
     * next {@link #commit} takes that back: its epoch then holds everything that the image may lack.
     */
    void suspend() throws IOException;

    /** Whether {@link #suspend} was called and no epoch has been committed since. */
    boolean isSuspended();

    /** Says, durably, that the image has everything: nothing is to be recovered. The last call before {@link #close}. */
    void markClean() throws IOException;

    /** How many bytes of epochs fit, all in all; 0 for a log that keeps none. */
    long capacityBytes();

    /** How much of that the committed epochs take that have not been truncated. */
    long usedBytes();

    @Override
    void close() throws IOException;
}
