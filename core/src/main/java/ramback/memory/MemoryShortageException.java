package ramback.memory;

import java.io.IOException;
import java.util.Locale;

/** There is not enough memory for a device: an operator's matter. The message gives need, have and what to do. */
public final class MemoryShortageException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Says how much is needed and how much there is of what. */
    public MemoryShortageException(long needBytes, long haveBytes, String ofWhat) {
        super(String.format(
                Locale.ROOT,
                "not enough memory: need %s, have %s of %s; use a smaller device, --ram sparse, or free some memory",
                mebibytes(needBytes),
                mebibytes(haveBytes),
                ofWhat));
    }

    private static String mebibytes(long bytes) {
        return ((bytes + (1 << 20) - 1) >> 20) + " MiB";
    }
}
