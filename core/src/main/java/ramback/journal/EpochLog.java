package ramback.journal;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * A durable sequence of epochs, each a set of chunk versions that becomes durable as a whole or not at all. Epochs are
 * appended and committed in order by one thread, and truncated in order by another once the image has them. A log may be
 * a local file or a replicated service; nothing here assumes that appending is cheap or that the log is near.
 */
public interface EpochLog extends AutoCloseable {

    /**
     * Whether the log keeps the versions of chunks. If not, an epoch is durable only when the image has it, and
     * {@link #append} is not called.
     */
    boolean keepsVersions();

    /**
     * Adds a chunk's version to an epoch; not durable before {@link #commit}.
     *
     * @param content the chunk's bytes, or empty for a chunk of zeroes
     */
    void append(long epoch, long chunk, MemorySegment content) throws IOException;

    /**
     * Makes an epoch durable, with everything appended to it and all epochs before it. When this throws, nothing is
     * known about the epoch: it is appended again as a whole.
     */
    void commit(long epoch, long chunkCount) throws IOException;

    /** Makes sure that whoever had the log before can append nothing any more; before the first append. */
    void fence() throws IOException;

    /** The oldest epoch that has not been truncated, or -1 if there is none. */
    long tail();

    /** Forgets an epoch and all before it: the image has them, durably. */
    void truncate(long epoch) throws IOException;

    @Override
    void close() throws IOException;
}
