package ramback.image;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Where the captured versions of chunks go before they are changed again. Safe for use by many threads. */
public interface Captures {

    /**
     * Whether versions are kept of the epoch that is captured now, or next. Changes only between two captures. If not,
     * nothing is given to {@link #capture}.
     */
    boolean keepsVersions();

    /**
     * Takes a copy of the sealed version of chunks. Called under their locks; must not wait.
     *
     * @param chunkCount 1, or the number of neighbours that are all zeroes
     * @param from where a chunk's bytes are, to be copied before this returns; null for zeroes
     * @param fromOffsetBytes of the chunk's first byte there
     * @param bySealer whether the sealer calls, which leaves some room to writers
     * @return false when there is no room: the caller lets go of everything, waits for room and begins again
     */
    boolean capture(
            long firstChunk, long chunkCount, @Nullable MemorySegment from, long fromOffsetBytes, boolean bySealer);

    /** {@link #claim}: there is no room. */
    long NO_CLAIM = -1;

    /**
     * Claims room for the version of one chunk of data; by the sealer, which leaves some room to writers. It goes on with
     * {@link #fill}, and then {@link #publish} or {@link #abandon}, and waits for nothing in between but the chunk's lock.
     *
     * @return the claim, not negative, or {@link #NO_CLAIM}: the caller waits for room and begins again
     */
    long claim();

    /** Copies a chunk's bytes into claimed room. Needs no lock: what was copied counts only when it is published. */
    void fill(long claim, MemorySegment from, long fromOffsetBytes);

    /** Takes what was copied as the sealed version of a chunk. Called under the chunk's lock. */
    void publish(long claim, long chunk);

    /** Gives a claim up: what was copied is no version of anything. */
    void abandon(long claim);

    /** Waits until there may be room again. Called by writers, with nothing held. */
    void awaitRoom();

    /** Without a journal no version is kept: write-behind takes what RAM holds when it gets there. */
    Captures NONE = new Captures() {
        @Override
        public boolean keepsVersions() {
            return false;
        }

        @Override
        public boolean capture(
                long firstChunk,
                long chunkCount,
                @Nullable MemorySegment from,
                long fromOffsetBytes,
                boolean bySealer) {
            throw new IllegalStateException("no versions are kept");
        }

        @Override
        public long claim() {
            throw new IllegalStateException("no versions are kept");
        }

        @Override
        public void fill(long claim, MemorySegment from, long fromOffsetBytes) {
            throw new IllegalStateException("no versions are kept");
        }

        @Override
        public void publish(long claim, long chunk) {
            throw new IllegalStateException("no versions are kept");
        }

        @Override
        public void abandon(long claim) {
            throw new IllegalStateException("no versions are kept");
        }

        @Override
        public void awaitRoom() {
            throw new IllegalStateException("there is always room");
        }
    };
}
