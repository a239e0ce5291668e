package ramback.kernelnbd;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A block device that could not be connected, reconnected or disconnected; the message is one line for the operator. */
public final class KernelNbdException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What stands in the way. */
    public enum Reason {
        /** This kernel has no NBD driver, or it is not loaded. */
        UNAVAILABLE,
        /** The process may not. */
        NOT_PERMITTED,
        /** The block device is another one's. */
        IN_USE,
        /** There is no such block device. */
        MISSING,
        /** What is asked for, or what the server offers, cannot be a block device. */
        UNFIT,
        /** Server or kernel failed in another way. */
        FAILED
    }

    private final Reason reason;

    KernelNbdException(Reason reason, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
