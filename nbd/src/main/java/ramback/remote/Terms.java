package ramback.remote;

import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.protocol.Protocol;

/**
 * What a server has said of an export, and what was agreed with it for one connection.
 *
 * @param sizeBytes of the export, at least 1
 * @param flags "Transmission flags"
 * @param blockBytesMin "Size constraints": every range is a multiple of this, a power of two, at most 64 KiB
 * @param blockBytesMax no request is longer; a multiple of the minimum
 * @param isStructured whether replies are structured
 * @param allocationContext the number of {@code base:allocation}, or {@link #NO_CONTEXT}
 */
public record Terms(
        long sizeBytes, int flags, int blockBytesMin, int blockBytesMax, boolean isStructured, long allocationContext) {

    /** What {@link #allocationContext} is where there is none. */
    public static final long NO_CONTEXT = -1;

    /** The longest request that is made, of data: long enough to cost little, short enough that several are under way. */
    static final int DATA_BYTES_MAX = 256 << 10;

    /** The longest request that is made, of zeroes, which a server may have to write out. */
    static final int ZERO_BYTES_MAX = 32 << 20;

    private static final int NEEDED_TO_WRITE = Protocol.FLAG_SEND_FLUSH;
    private static final int USED_IF_THERE = Protocol.FLAG_SEND_WRITE_ZEROES;

    /** Whether the server refuses writes. */
    public boolean isReadOnly() {
        return (flags & Protocol.FLAG_READ_ONLY) != 0;
    }

    boolean takesZeroes() {
        return (flags & Protocol.FLAG_SEND_WRITE_ZEROES) != 0;
    }

    /** Whether a FLUSH on one connection covers all of them. */
    public boolean allowsConnections() {
        return (flags & Protocol.FLAG_CAN_MULTI_CONN) != 0;
    }

    boolean tellsHoles() {
        return allocationContext != NO_CONTEXT;
    }

    int dataBytesMax() {
        return Math.min(DATA_BYTES_MAX, blockBytesMax);
    }

    int zeroBytesMax() {
        return Math.min(ZERO_BYTES_MAX, blockBytesMax);
    }

    /**
     * Refuses an export that can't be an image, or not a writable one.
     *
     * @throws BackingOpenException with what the operator can do about it
     */
    public void check(RemoteUri uri, boolean readOnly) throws BackingOpenException {
        if (sizeBytes < 1) {
            throw new BackingOpenException(
                    Reason.EMPTY, "export " + uri + " has " + sizeBytes + " bytes, 1 is the least; name another", null);
        }
        if (sizeBytes % blockBytesMin != 0) {
            throw new BackingOpenException(
                    Reason.NOT_AN_IMAGE,
                    "export " + uri + " has " + sizeBytes + " bytes, which is not a multiple of its smallest block of "
                            + blockBytesMin + ", so its end can't be reached; resize it",
                    null);
        }
        if (readOnly) {
            return;
        }
        if (isReadOnly()) {
            throw new BackingOpenException(
                    Reason.NOT_PERMITTED,
                    "export " + uri + " is read-only; give --read-only, or let its server export it for writing",
                    null);
        }
        if ((flags & NEEDED_TO_WRITE) != NEEDED_TO_WRITE) {
            throw new BackingOpenException(
                    Reason.NOT_PERMITTED,
                    "the server of " + uri + " takes no FLUSH, so that nothing could be made durable there; give"
                            + " --read-only, or choose a server that does",
                    null);
        }
    }

    /** What a server that came back offers otherwise than before, so that it can't be gone on with; null if nothing. */
    @Nullable
    String difference(Terms before, boolean readOnly) {
        if (sizeBytes != before.sizeBytes) {
            return "has " + sizeBytes + " bytes now, and had " + before.sizeBytes;
        }
        if (!readOnly && isReadOnly()) {
            return "is read-only now";
        }
        int used = (readOnly ? 0 : NEEDED_TO_WRITE | USED_IF_THERE) & before.flags;
        if ((flags & used) != used) {
            return "does not offer any more what it did (flags 0x" + Integer.toHexString(flags) + ", were 0x"
                    + Integer.toHexString(before.flags) + ")";
        }
        if (blockBytesMin > before.blockBytesMin || blockBytesMax < before.dataBytesMax()) {
            return "has blocks of " + blockBytesMin + " to " + blockBytesMax + " bytes now, and had "
                    + before.blockBytesMin + " to " + before.blockBytesMax;
        }
        if (before.tellsHoles() && !tellsHoles()) {
            return "does not tell its holes any more";
        }
        return null;
    }
}
