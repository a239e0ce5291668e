package ramback.nbd;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Extent;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.traffic.PendingAnswers;

/**
 * One thread's replies to a client: gathered in a buffer, header and payload side by side, until they are flushed or the
 * buffer is full, then sent in one call. Long payloads are sent behind the gathered replies, straight from device memory
 * where the session allows it (a gathering write, for which the JDK makes two small objects; all else allocates nothing).
 * Only whole messages leave, so the other thread's replies may come between any two; a reply in chunks is a message a
 * chunk.
 */
final class Replies {

    /**
     * The longest payload that is copied behind its header; a longer one is sent from device memory. Measured: at 64 KiB
     * the copy is a quarter of the server's time and sending directly is faster; at 4 KiB it is the other way round.
     */
    static final int COPIED_BYTES_MAX = 32 << 10;

    /** The most extents of one context in an answer to BLOCK_STATUS: a client asks on from where they end. */
    static final int EXTENT_COUNT_MAX = 1024;

    /** The least a buffer must hold: one copied payload, or the extents of one context, with headers. */
    static final int BUFFER_BYTES_MIN = COPIED_BYTES_MAX + Protocol.EXTENDED_REPLY_BYTES + Long.BYTES;

    /** The longest message that ends a request without payload: an error with its text and its offset. */
    private static final int ENDING_BYTES_MAX =
            Protocol.EXTENDED_REPLY_BYTES + Protocol.REPLY_ERROR_BYTES + ErrorTexts.LENGTH_BYTES_MAX + Long.BYTES;

    private static final long NOWHERE = -1;

    private final DeviceSession session;
    private final ReplyForm form;
    private final Wire wire;
    private final MemorySegment segment;
    private final ByteBuffer buffer;
    private final MemoryWindows windows;
    private final DeferredSlots slots;
    private final PendingAnswers answers;

    /**
     * Gathers in a buffer of this size.
     *
     * @param form how the client wants to be answered
     * @param slots where the requests are that are answered
     * @param answers this thread's, which hear when replies are sent
     * @param bufferBytes at least {@link #BUFFER_BYTES_MIN}
     * @param arena keeps the buffer
     */
    Replies(
            DeviceSession session,
            ReplyForm form,
            Wire wire,
            DeferredSlots slots,
            PendingAnswers answers,
            int bufferBytes,
            Arena arena) {
        this.slots = slots;
        this.answers = answers;
        this.session = session;
        this.form = form;
        this.wire = wire;
        this.segment = arena.allocate(Math.max(bufferBytes, BUFFER_BYTES_MIN), Long.BYTES);
        this.buffer = segment.asByteBuffer();
        this.windows = new MemoryWindows(session.memory(), Device.PAYLOAD_BYTES_MAX);
    }

    /** Adds the refusal of a request that never had a slot. */
    void refuse(int command, long cookie, long offsetBytes, int error) throws IOException {
        makeRoom(ENDING_BYTES_MAX);
        end(command, cookie, offsetBytes, error, NOWHERE);
    }

    /** Adds the reply without payload to the request in a slot. */
    void add(int slot, int error) throws IOException {
        makeRoom(ENDING_BYTES_MAX);
        end(slots.command(slot), slots.cookie(slot), slots.offsetBytes(slot), error, failedAt(slot, error));
        answering(slot, error);
    }

    /** Adds the reply to the READ in a slot, whose range is loaded. */
    void addRead(int slot) throws IOException {
        if (form != ReplyForm.SIMPLE) {
            addChunks(slot);
            return;
        }
        int lengthBytes = slots.lengthBytes(slot);
        if (lengthBytes > COPIED_BYTES_MAX) {
            makeRoom(Protocol.SIMPLE_REPLY_BYTES);
            simple(slots.cookie(slot), Protocol.OK);
            sendBehindHeader(slots.offsetBytes(slot), lengthBytes);
            answering(slot, Protocol.OK);
            answers.sent();
            return;
        }
        makeRoom(Protocol.SIMPLE_REPLY_BYTES + lengthBytes);
        simple(slots.cookie(slot), Protocol.OK);
        copy(slots.offsetBytes(slot), lengthBytes);
        answering(slot, Protocol.OK);
    }

    /**
     * Adds the answer to the BLOCK_STATUS in a slot.
     *
     * @param lengthBytes at least 1; the range lies within the device
     * @param contextBits what is asked for, as {@link MetaContext#bit()}; at least one
     * @param isOne whether one extent a context is enough (REQ_ONE)
     */
    void addStatus(int slot, long offsetBytes, long lengthBytes, int contextBits, boolean isOne) throws IOException {
        for (int left = contextBits; left != 0; left &= left - 1) {
            MetaContext context = MetaContext.at(Integer.numberOfTrailingZeros(left));
            boolean isLast = (left & left - 1) == 0;
            addExtents(slot, context, offsetBytes, offsetBytes + lengthBytes, isOne ? 1 : EXTENT_COUNT_MAX, isLast);
        }
        answering(slot, Protocol.OK);
    }

    /** The reply to the request in a slot leaves with the next send. */
    private void answering(int slot, int error) {
        answers.add(Kinds.of(slots.command(slot)), slots.receivedNanos(slot), error, slots.takeSpan(slot));
    }

    /** Sends what was gathered. */
    void flush() throws IOException {
        if (buffer.position() > 0) {
            wire.beginSending();
            try {
                sendGathered();
            } finally {
                wire.endSending();
            }
            answers.sent();
        }
    }

    private void makeRoom(int lengthBytes) throws IOException {
        if (buffer.remaining() < lengthBytes || answers.isFull()) {
            flush();
        }
    }

    // ----------------------------------------------------------------------------------------------------- headers

    private void simple(long cookie, int error) {
        buffer.putInt(Protocol.SIMPLE_REPLY_MAGIC).putInt(error).putLong(cookie);
    }

    /** The header of a chunk of this length; extended ones repeat the request's offset. */
    private void chunk(int flags, int type, long cookie, long requestOffsetBytes, int lengthBytes) {
        boolean isExtended = form == ReplyForm.EXTENDED;
        buffer.putInt(isExtended ? Protocol.EXTENDED_REPLY_MAGIC : Protocol.STRUCTURED_REPLY_MAGIC)
                .putShort((short) flags)
                .putShort((short) type)
                .putLong(cookie);
        if (isExtended) {
            buffer.putLong(requestOffsetBytes).putLong(lengthBytes);
        } else {
            buffer.putInt(lengthBytes);
        }
    }

    /**
     * The only message of a reply without payload. A simple one where the specification lets it be: never to a READ, and
     * not where it can say more.
     */
    private void end(int command, long cookie, long offsetBytes, int error, long failedAtBytes) {
        boolean mayBeSimple = form == ReplyForm.STRUCTURED && error == Protocol.OK && command != Protocol.CMD_READ;
        if (form == ReplyForm.SIMPLE || mayBeSimple) {
            simple(cookie, error);
        } else if (error == Protocol.OK) {
            chunk(Protocol.REPLY_FLAG_DONE, Protocol.REPLY_NONE, cookie, offsetBytes, 0);
        } else {
            error(cookie, offsetBytes, error, failedAtBytes);
        }
    }

    private void error(long cookie, long offsetBytes, int error, long failedAtBytes) {
        byte[] text = ErrorTexts.of(error);
        int type = failedAtBytes == NOWHERE ? Protocol.REPLY_ERROR : Protocol.REPLY_ERROR_OFFSET;
        int placeBytes = failedAtBytes == NOWHERE ? 0 : Long.BYTES;
        int lengthBytes = Protocol.REPLY_ERROR_BYTES + text.length + placeBytes;
        chunk(Protocol.REPLY_FLAG_DONE, type, cookie, offsetBytes, lengthBytes);
        buffer.putInt(error).putShort((short) text.length).put(text);
        if (failedAtBytes != NOWHERE) {
            buffer.putLong(failedAtBytes);
        }
    }

    /** Where a READ failed whose range could not be loaded: the first byte that is not there. */
    private long failedAt(int slot, int error) {
        if (form == ReplyForm.SIMPLE || error != Protocol.EIO || slots.command(slot) != Protocol.CMD_READ) {
            return NOWHERE;
        }
        long begin = slots.offsetBytes(slot);
        long end = begin + slots.lengthBytes(slot);
        if (begin == end) {
            return NOWHERE;
        }
        long extent = session.extent(begin, end, Extent.UNLOADED);
        if ((Extent.states(extent) & Extent.UNLOADED) != 0) {
            return begin;
        }
        return Extent.endBytes(extent) < end ? Extent.endBytes(extent) : NOWHERE;
    }

    // ----------------------------------------------------------------------------------------------- chunks of a READ

    /** A chunk for each run of data and for each run of zeroes; one alone if the client wants no more (DF). */
    private void addChunks(int slot) throws IOException {
        long begin = slots.offsetBytes(slot);
        long end = begin + slots.lengthBytes(slot);
        if (begin == end) {
            add(slot, Protocol.OK);
            return;
        }
        long at = begin;
        while (at < end) {
            long extent = session.extent(at, end, Extent.ZERO);
            long next = Extent.endBytes(extent);
            boolean isHole = (Extent.states(extent) & Extent.ZERO) != 0;
            if (next < end && slots.isUnfragmented(slot)) {
                isHole = false;
                next = end;
            }
            int flags = next == end ? Protocol.REPLY_FLAG_DONE : 0;
            if (isHole) {
                addHole(slot, flags, at, (int) (next - at));
            } else {
                addData(slot, flags, at, (int) (next - at));
            }
            at = next;
        }
        answering(slot, Protocol.OK);
        if (buffer.position() == 0) {
            answers.sent(); // the last chunk has left already
        }
    }

    private void addHole(int slot, int flags, long atBytes, int lengthBytes) throws IOException {
        makeRoom(form.headerBytes() + Long.BYTES + Integer.BYTES);
        chunk(
                flags,
                Protocol.REPLY_OFFSET_HOLE,
                slots.cookie(slot),
                slots.offsetBytes(slot),
                Long.BYTES + Integer.BYTES);
        buffer.putLong(atBytes).putInt(lengthBytes);
    }

    private void addData(int slot, int flags, long atBytes, int lengthBytes) throws IOException {
        boolean isCopied = lengthBytes <= COPIED_BYTES_MAX;
        makeRoom(form.headerBytes() + Long.BYTES + (isCopied ? lengthBytes : 0));
        chunk(flags, Protocol.REPLY_OFFSET_DATA, slots.cookie(slot), slots.offsetBytes(slot), Long.BYTES + lengthBytes);
        buffer.putLong(atBytes);
        if (isCopied) {
            copy(atBytes, lengthBytes);
        } else {
            sendBehindHeader(atBytes, lengthBytes);
            answers.sent(); // those of the replies before it
        }
    }

    // ---------------------------------------------------------------------------------------------------- payloads

    private void copy(long offsetBytes, int lengthBytes) {
        int position = buffer.position();
        session.copy(offsetBytes, lengthBytes, segment, position);
        buffer.position(position + lengthBytes);
    }

    /** Sends what was gathered, the last of it a header, and its payload behind it. */
    private void sendBehindHeader(long offsetBytes, int lengthBytes) throws IOException {
        wire.beginSending();
        try {
            if (session.memoryIsDirect(offsetBytes, lengthBytes)) {
                buffer.flip();
                wire.send(buffer, windows.range(offsetBytes, lengthBytes));
                buffer.clear();
            } else {
                sendCopied(offsetBytes, lengthBytes);
            }
        } finally {
            wire.endSending();
        }
    }

    /** Sends a payload that may hold holes, in pieces of the buffer's size. */
    private void sendCopied(long offsetBytes, int lengthBytes) throws IOException {
        int sentBytes = 0;
        while (sentBytes < lengthBytes) {
            int pieceBytes = Math.min(buffer.remaining(), lengthBytes - sentBytes);
            copy(offsetBytes + sentBytes, pieceBytes);
            sendGathered();
            sentBytes += pieceBytes;
        }
    }

    private void sendGathered() throws IOException {
        buffer.flip();
        wire.send(buffer);
        buffer.clear();
    }

    // ------------------------------------------------------------------------------------------------ block status

    /** The chunk of one context; its length and count are written when its extents are there. */
    private void addExtents(int slot, MetaContext context, long beginBytes, long endBytes, int countMax, boolean isLast)
            throws IOException {
        boolean isExtended = form == ReplyForm.EXTENDED;
        int leadBytes = isExtended ? Integer.BYTES + Integer.BYTES : Integer.BYTES;
        makeRoom(form.headerBytes() + leadBytes + countMax * form.extentBytes());
        int headerAt = buffer.position();
        int extentsAt = headerAt + form.headerBytes() + leadBytes;
        buffer.position(extentsAt);
        int count = 0;
        for (long at = beginBytes; at < endBytes && count < countMax; count++) {
            long extent = session.extent(at, endBytes, context.state());
            long lengthBytes = Extent.endBytes(extent) - at;
            if (isExtended) {
                buffer.putLong(lengthBytes).putLong(context.statusOf(extent));
            } else {
                buffer.putInt((int) lengthBytes).putInt(context.statusOf(extent));
            }
            at += lengthBytes;
        }
        int behind = buffer.position();
        buffer.position(headerAt);
        chunk(
                isLast ? Protocol.REPLY_FLAG_DONE : 0,
                isExtended ? Protocol.REPLY_BLOCK_STATUS_EXT : Protocol.REPLY_BLOCK_STATUS,
                slots.cookie(slot),
                beginBytes,
                leadBytes + count * form.extentBytes());
        buffer.putInt(context.id());
        if (isExtended) {
            buffer.putInt(count);
        }
        buffer.position(behind);
    }

    /** The error value of a request's final outcome. */
    static int errorOf(Outcome outcome) {
        return switch (outcome) {
            case DONE -> Protocol.OK;
            case IO_ERROR -> Protocol.EIO;
            case NO_SPACE -> Protocol.ENOSPC;
            case READ_ONLY -> Protocol.EPERM;
            case INVALID -> Protocol.EINVAL;
            case SHUTTING_DOWN -> Protocol.ESHUTDOWN;
            case DEFERRED -> throw new IllegalStateException("a deferred request has no error value yet");
        };
    }
}
