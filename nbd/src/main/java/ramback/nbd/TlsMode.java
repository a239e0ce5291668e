package ramback.nbd;

import java.util.Locale;
import java.util.Optional;

/** Whether clients may, or must, encrypt ("TLS support": NOTLS, SELECTIVETLS with one answer for all exports, FORCEDTLS). */
public enum TlsMode {
    /** Nobody can. */
    OFF,
    /** Whoever wants to. */
    ALLOW,
    /** Over TCP everybody must; a Unix socket's permissions say who may connect, so there it is as {@link #ALLOW}. */
    REQUIRE;

    /** The word in options and in the status. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the mode of this word, or nothing when there is none. */
    public static Optional<TlsMode> ofWord(String word) {
        for (TlsMode mode : values()) {
            if (mode.word().equals(word)) {
                return Optional.of(mode);
            }
        }
        return Optional.empty();
    }
}
