package ramback.journal;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A place for one small state, replaced as a whole: after a crash it holds the old one or the new one, and once {@link #replace} has
 * returned, the new one. Used by one thread at a time.
 */
public interface StateStore {

    /** Where it is, for messages. */
    String place();

    /** Returns what is there, or null if nothing is. At most a little more than {@link StateFile#LENGTH_BYTES_MAX} is read. */
    byte @Nullable [] read() throws IOException;

    /** Puts this in the place of what was there, durably. If it throws, either may be there. */
    void replace(byte[] content) throws IOException;

    /** Removes what is there, durably; nothing to remove is no error. */
    void remove() throws IOException;
}
