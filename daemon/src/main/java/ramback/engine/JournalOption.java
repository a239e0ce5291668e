package ramback.engine;

import java.nio.file.Path;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Whether a journal is kept, and where.
 *
 * @param isKept whether one is kept at all
 * @param file its file; null for the default, beside the image
 * @param sizeBytes its size when it is made; the default is a quarter of the device, at least 64 MiB, at most 16 GiB
 */
public record JournalOption(boolean isKept, @Nullable Path file, OptionalLong sizeBytes) {

    /** No journal. */
    public static final JournalOption NONE = new JournalOption(false, null, OptionalLong.empty());

    /** One beside the image, of the default size. */
    public static final JournalOption DEFAULT = new JournalOption(true, null, OptionalLong.empty());

    /** One in this file, of the default size. */
    public static JournalOption in(Path file) {
        return new JournalOption(true, file, OptionalLong.empty());
    }
}
