package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import ramback.protocol.Protocol;

/** What an error chunk tells people ("Structured reply types"), made beforehand, so that an error allocates nothing. */
final class ErrorTexts {

    /** The longest. */
    static final int LENGTH_BYTES_MAX = 64;

    private static final byte[] READ_ONLY = bytes("the export is read-only");
    private static final byte[] BACKING = bytes("the backing store failed for data that is not in memory");
    private static final byte[] NO_SPACE = bytes("beyond the end of the device, or memory ran out");
    private static final byte[] STOPPING = bytes("the device is stopping");
    private static final byte[] INVALID = bytes("a range, command, flag or payload that is not served");

    private ErrorTexts() {}

    /** The text for an error value, in UTF-8; not to be changed. */
    static byte[] of(int error) {
        return switch (error) {
            case Protocol.EPERM -> READ_ONLY;
            case Protocol.EIO -> BACKING;
            case Protocol.ENOSPC -> NO_SPACE;
            case Protocol.ESHUTDOWN -> STOPPING;
            default -> INVALID;
        };
    }

    private static byte[] bytes(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        if (bytes.length > LENGTH_BYTES_MAX) {
            throw new IllegalStateException(
                    "a text of " + bytes.length + " bytes; at most " + LENGTH_BYTES_MAX + ": " + text);
        }
        return bytes;
    }
}
