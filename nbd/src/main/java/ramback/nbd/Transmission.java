package ramback.nbd;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.traffic.RequestSpan;
import ramback.traffic.SessionTraffic;

/**
 * The request thread's part of the "Transmission" phase: receives as many requests as one read of the socket brings into
 * the session's staging area, carries them out in their order, and sends their replies in one go before it waits for
 * more. Payload is stored from where it was received. Allocates nothing.
 *
 * <pre>
 *   staging   |  done  |  received, not yet looked at  |  free  |
 *             0       head                            tail   capacity
 * </pre>
 */
final class Transmission {

    /** How the phase ended. */
    enum End {
        /** The client said DISC: what is outstanding must still be answered. */
        DISCONNECT,
        /** The stream ended: the client hung up, or the server stops. */
        STREAM_END
    }

    /** The longest payload of a refused request that is skipped; a longer one ends the connection. */
    static final long SKIPPED_BYTES_MAX = 64L << 20;

    /** The longest payload of a BLOCK_STATUS: a length, and the id of each context. */
    private static final int FILTER_BYTES_MAX = Long.BYTES + MetaContext.COUNT * Integer.BYTES;

    private final DeviceSession session;
    private final Dialect dialect;
    private final int requestMagic;
    private final int requestBytes;
    private final boolean isExtended;
    private final int contextBits;
    private final long sizeBytes;
    private final boolean readOnly;
    private final Wire wire;
    private final DeferredSlots slots;
    private final Replies replies;
    private final SessionTraffic traffic;

    private final MemorySegment staging;
    private final ByteBuffer received;
    private int head;
    private int tail;
    /** Requests that have come to their end since the last receive. */
    private int servedCount;

    private boolean streamEnded;

    Transmission(
            Export export,
            DeviceSession session,
            Dialect dialect,
            Wire wire,
            DeferredSlots slots,
            Replies replies,
            SessionTraffic traffic) {
        this.session = session;
        this.dialect = dialect;
        this.requestMagic = dialect.form().requestMagic();
        this.requestBytes = dialect.form().requestBytes();
        this.isExtended = dialect.form() == ReplyForm.EXTENDED;
        this.contextBits = dialect.contextBits();
        this.sizeBytes = export.device().sizeBytes();
        this.readOnly = export.readOnly();
        this.wire = wire;
        this.slots = slots;
        this.replies = replies;
        this.traffic = traffic;
        this.staging = session.staging();
        this.received = staging.asByteBuffer();
    }

    /**
     * Serves requests until the phase ends.
     *
     * @throws ProtocolViolation when the stream cannot be followed any more; the replies to what came before have left
     */
    End run() throws IOException {
        try {
            return serveAll();
        } catch (ProtocolViolation e) {
            replies.flush();
            throw e;
        }
    }

    private End serveAll() throws IOException {
        while (true) {
            while (tail - head >= requestBytes) {
                if (!serve()) {
                    replies.flush();
                    return streamEnded ? End.STREAM_END : End.DISCONNECT;
                }
                servedCount++;
            }
            if (!receiveMore()) {
                return End.STREAM_END;
            }
        }
    }

    // -------------------------------------------------------------------------------------------------- requests

    /** Serves the request at the head; false when it was the last one. */
    private boolean serve() throws IOException {
        if (received.getInt(head) != requestMagic) {
            throw new ProtocolViolation("request without its magic number");
        }
        int flags = Short.toUnsignedInt(received.getShort(head + 4));
        int command = Short.toUnsignedInt(received.getShort(head + 6));
        long cookie = received.getLong(head + 8);
        long offsetBytes = received.getLong(head + 16);
        long lengthBytes =
                isExtended ? received.getLong(head + 24) : Integer.toUnsignedLong(received.getInt(head + 24));
        head += requestBytes;
        if (command == Protocol.CMD_DISC) {
            return false;
        }
        boolean hasPayload = isExtended && (flags & Protocol.CMD_FLAG_PAYLOAD_LEN) != 0;
        int error = validate(command, flags, offsetBytes, lengthBytes);
        if (error != Protocol.OK) {
            traffic.countFailed();
            if ((hasPayload || command == Protocol.CMD_WRITE) && !skip(lengthBytes)) {
                return false;
            }
            replies.refuse(command, cookie, offsetBytes, error);
            return true;
        }
        if (command == Protocol.CMD_BLOCK_STATUS) {
            boolean isOne = (flags & Protocol.CMD_FLAG_REQ_ONE) != 0;
            return hasPayload
                    ? filteredStatus(cookie, offsetBytes, (int) lengthBytes, isOne)
                    : status(cookie, offsetBytes, lengthBytes, contextBits, isOne);
        }
        begin(flags, command, cookie, offsetBytes, lengthBytes);
        boolean forceUnitAccess = (flags & Protocol.CMD_FLAG_FUA) != 0;
        int token = slots.open();
        switch (command) {
            case Protocol.CMD_READ -> read(offsetBytes, (int) lengthBytes, token);
            case Protocol.CMD_WRITE -> {
                return write(offsetBytes, (int) lengthBytes, forceUnitAccess, token);
            }
            case Protocol.CMD_FLUSH -> answer(token, session.flush(token));
            case Protocol.CMD_TRIM -> answer(token, session.trim(offsetBytes, lengthBytes, forceUnitAccess, token));
            case Protocol.CMD_CACHE -> answer(token, session.prepareRead(offsetBytes, lengthBytes, token));
            default -> {
                boolean mayPunch = (flags & Protocol.CMD_FLAG_NO_HOLE) == 0;
                answer(token, session.zero(offsetBytes, lengthBytes, mayPunch, forceUnitAccess, token));
            }
        }
        return true;
    }

    /** The request was understood: it is counted, and its slot filled. */
    private void begin(int flags, int command, long cookie, long offsetBytes, long lengthBytes) {
        boolean forceUnitAccess = (flags & Protocol.CMD_FLAG_FUA) != 0;
        RequestSpan span = traffic.begin(Kinds.of(command), offsetBytes, lengthBytes, forceUnitAccess);
        boolean unfragmented = (flags & Protocol.CMD_FLAG_DF) != 0;
        slots.fill(command, cookie, offsetBytes, (int) lengthBytes, unfragmented, wire.receivedNanos(), span);
    }

    /** Returns the "Error values" answer to a request that must not reach the device, or OK. */
    private int validate(int command, int flags, long offsetBytes, long lengthBytes) {
        if ((flags & ~dialect.commandFlagsAllowed(command)) != 0) {
            return Protocol.EINVAL;
        }
        return switch (command) {
            case Protocol.CMD_READ ->
                lengthBytes > Device.PAYLOAD_BYTES_MAX
                        ? Protocol.EINVAL
                        : validateRange(offsetBytes, lengthBytes, Protocol.EINVAL);
            case Protocol.CMD_WRITE ->
                lengthBytes > Device.PAYLOAD_BYTES_MAX
                        ? Protocol.EINVAL
                        : validateChange(offsetBytes, lengthBytes, Protocol.ENOSPC);
            case Protocol.CMD_WRITE_ZEROES -> validateChange(offsetBytes, lengthBytes, Protocol.ENOSPC);
            case Protocol.CMD_TRIM -> validateChange(offsetBytes, lengthBytes, Protocol.EINVAL);
            case Protocol.CMD_CACHE -> validateRange(offsetBytes, lengthBytes, Protocol.EINVAL);
            case Protocol.CMD_BLOCK_STATUS -> validateStatus(flags, offsetBytes, lengthBytes);
            case Protocol.CMD_FLUSH -> offsetBytes == 0 && lengthBytes == 0 ? Protocol.OK : Protocol.EINVAL;
            default -> Protocol.EINVAL;
        };
    }

    private int validateChange(long offsetBytes, long lengthBytes, int beyondEnd) {
        return readOnly ? Protocol.EPERM : validateRange(offsetBytes, lengthBytes, beyondEnd);
    }

    /** Both as unsigned numbers: what is beyond 63 bits is beyond the end. */
    private int validateRange(long offsetBytes, long lengthBytes, int beyondEnd) {
        boolean inside = offsetBytes >= 0
                && offsetBytes <= sizeBytes
                && lengthBytes >= 0
                && lengthBytes <= sizeBytes - offsetBytes;
        return inside ? Protocol.OK : beyondEnd;
    }

    /** With a payload, the range is in there, and is looked at when it has come. */
    private int validateStatus(int flags, long offsetBytes, long lengthBytes) {
        if (contextBits == 0) {
            return Protocol.EINVAL;
        }
        if ((flags & Protocol.CMD_FLAG_PAYLOAD_LEN) != 0) {
            boolean isFilter = lengthBytes >= Long.BYTES
                    && lengthBytes <= FILTER_BYTES_MAX
                    && (lengthBytes - Long.BYTES) % Integer.BYTES == 0;
            return isFilter ? Protocol.OK : Protocol.EINVAL;
        }
        return lengthBytes == 0 ? Protocol.EINVAL : validateRange(offsetBytes, lengthBytes, Protocol.EINVAL);
    }

    // ------------------------------------------------------------------------------------------------ block status

    private boolean status(long cookie, long offsetBytes, long lengthBytes, int asked, boolean isOne)
            throws IOException {
        begin(0, Protocol.CMD_BLOCK_STATUS, cookie, offsetBytes, lengthBytes);
        replies.addStatus(slots.open(), offsetBytes, lengthBytes, asked, isOne);
        return true;
    }

    /** A BLOCK_STATUS whose payload names the contexts: how far it reaches, and their ids, each once. */
    private boolean filteredStatus(long cookie, long offsetBytes, int payloadBytes, boolean isOne) throws IOException {
        while (tail - head < payloadBytes) {
            if (!receiveMore()) {
                return false;
            }
        }
        long lengthBytes = received.getLong(head);
        int asked = 0;
        boolean isGood = payloadBytes > Long.BYTES && lengthBytes != 0;
        for (int at = Long.BYTES; at < payloadBytes; at += Integer.BYTES) {
            int bit = MetaContext.bitOf(received.getInt(head + at)) & contextBits & ~asked;
            isGood &= bit != 0;
            asked |= bit;
        }
        head += payloadBytes;
        if (!isGood || validateRange(offsetBytes, lengthBytes, Protocol.EINVAL) != Protocol.OK) {
            traffic.countFailed();
            replies.refuse(Protocol.CMD_BLOCK_STATUS, cookie, offsetBytes, Protocol.EINVAL);
            return true;
        }
        return status(cookie, offsetBytes, lengthBytes, asked, isOne);
    }

    // ------------------------------------------------------------------------------------------------ read and write

    private void read(long offsetBytes, int lengthBytes, int token) throws IOException {
        Outcome outcome = session.prepareRead(offsetBytes, lengthBytes, token);
        if (outcome == Outcome.DONE) {
            replies.addRead(token);
        } else {
            answer(token, outcome);
        }
    }

    private void answer(int token, Outcome outcome) throws IOException {
        if (outcome == Outcome.DEFERRED) {
            slots.defer();
            return;
        }
        if (outcome != Outcome.DONE) {
            traffic.countFailed();
        }
        replies.add(token, Replies.errorOf(outcome));
    }

    /** Carries a write out; false when the stream ended within its payload. */
    private boolean write(long offsetBytes, int lengthBytes, boolean forceUnitAccess, int token) throws IOException {
        Outcome outcome = session.beginWrite(offsetBytes, lengthBytes, forceUnitAccess, token);
        if (outcome != Outcome.DONE) {
            if (!skip(lengthBytes)) {
                return false;
            }
            answer(token, outcome);
            return true;
        }
        int leftBytes = lengthBytes;
        while (leftBytes > 0) {
            int availableBytes = Math.min(tail - head, leftBytes);
            int takenBytes = availableBytes == 0 ? 0 : session.store(head, availableBytes);
            head += takenBytes;
            leftBytes -= takenBytes;
            if (leftBytes > 0 && !receiveMore()) {
                return false;
            }
        }
        answer(token, session.endWrite());
        return true;
    }

    // -------------------------------------------------------------------------------------------------- receiving

    /**
     * Receives at least one more byte behind the unread ones, which move to the beginning; the replies leave before it
     * can wait.
     */
    private boolean receiveMore() throws IOException {
        replies.flush();
        wire.served(servedCount);
        servedCount = 0;
        int unreadBytes = tail - head;
        if (head > 0) {
            if (unreadBytes > 0) {
                MemorySegment.copy(staging, head, staging, 0, unreadBytes);
            }
            head = 0;
            tail = unreadBytes;
        }
        if (tail == received.capacity()) {
            throw new IllegalStateException("the session takes nothing from a full staging area of " + tail + " bytes");
        }
        int receivedBytes = wire.receive(received.limit(received.capacity()).position(tail));
        if (receivedBytes < 0) {
            streamEnded = true;
            return false;
        }
        tail += receivedBytes;
        return true;
    }

    /** Throws away the payload of a refused request; false when the stream ended within it. */
    private boolean skip(long lengthBytes) throws IOException {
        if (lengthBytes < 0 || lengthBytes > SKIPPED_BYTES_MAX) {
            throw new ProtocolViolation("a payload of " + Long.toUnsignedString(lengthBytes) + " bytes; the limit is "
                    + Device.PAYLOAD_BYTES_MAX + " and at most " + SKIPPED_BYTES_MAX + " are skipped");
        }
        long leftBytes = lengthBytes;
        while (true) {
            int skippedBytes = (int) Math.min(tail - head, leftBytes);
            head += skippedBytes;
            leftBytes -= skippedBytes;
            if (leftBytes == 0) {
                return true;
            }
            if (!receiveMore()) {
                return false;
            }
        }
    }
}
