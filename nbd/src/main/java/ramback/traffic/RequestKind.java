package ramback.traffic;

import java.util.List;
import java.util.Locale;

/** The kinds of requests that are counted and timed. */
public enum RequestKind {
    /** Bytes are read. */
    READ,
    /** Bytes are written. */
    WRITE,
    /** What was written is made durable, as far as the mode promises it. */
    FLUSH,
    /** A range is not needed any more: discard, a hole that is punched. */
    TRIM,
    /** A range is to read as zeroes. */
    ZERO,
    /** A range is to be in memory. */
    CACHE,
    /** Where data is, and where none is. */
    STATUS;

    /** The kinds that are shown: in the status, in metrics. */
    public static final List<RequestKind> SHOWN = List.of(READ, WRITE, FLUSH, TRIM, ZERO);

    /** How many kinds there are. */
    static final int COUNT = values().length;

    /** The word in the status, in metrics and in events. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
