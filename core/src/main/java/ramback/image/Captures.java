package ramback.image;

import java.lang.foreign.MemorySegment;

/** Where the captured versions of chunks go before they are changed again. Safe for use by many threads. */
public interface Captures {

    /** Whether versions are kept; if not, {@link #capture} is given no content and always has room. */
    boolean keepsVersions();

    /**
     * Takes a copy of a chunk's sealed version. Called under the chunk's lock; must not wait.
     *
     * @param epoch the sealed epoch
     * @param content the chunk's bytes, to be copied before this returns; empty for a chunk of zeroes
     * @return false when there is no room: the caller lets go of everything, calls {@link #awaitRoom} and begins again
     */
    boolean capture(long epoch, long chunk, MemorySegment content);

    /** Waits until there is room again. Called with nothing held. */
    void awaitRoom();

    /** Without a journal no version is kept: write-behind takes what RAM holds when it gets there. */
    Captures NONE = new Captures() {
        @Override
        public boolean keepsVersions() {
            return false;
        }

        @Override
        public boolean capture(long epoch, long chunk, MemorySegment content) {
            return true;
        }

        @Override
        public void awaitRoom() {
            throw new IllegalStateException("there is always room");
        }
    };
}
