package ramback.backing;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * An operator error: an image cannot be opened or created as asked. The message is one line for the operator, with what
 * to do next. Nothing was changed or left behind.
 */
public final class BackingOpenException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What stands in the way. */
    public enum Reason {
        /** It is not there. */
        MISSING,
        /** It was to be created and is there already. */
        EXISTS,
        /** It is a directory, a character device or another thing that cannot hold an image. */
        NOT_AN_IMAGE,
        /** It is 0 bytes long. */
        EMPTY,
        /** The user may not open it so, or the medium is read-only. */
        NOT_PERMITTED,
        /** Another process holds it. */
        IN_USE,
        /** The filesystem is full. */
        NO_SPACE,
        /** The filesystem cannot hold a file of that size. */
        TOO_LARGE,
        /** The system failed in another way. */
        FAILED
    }

    private final Reason reason;

    public BackingOpenException(Reason reason, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
