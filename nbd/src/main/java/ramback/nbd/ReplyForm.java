package ramback.nbd;

import ramback.protocol.Protocol;

/** The messages that a client and the server agreed to use: the weakest unless the client asked for more. */
enum ReplyForm {
    /** "Simple reply message": an error or the payload. */
    SIMPLE(Protocol.REQUEST_MAGIC, Protocol.REQUEST_BYTES, Protocol.SIMPLE_REPLY_BYTES, 0),
    /** "Structured reply chunk message": a READ comes in chunks of data and of holes. */
    STRUCTURED(Protocol.REQUEST_MAGIC, Protocol.REQUEST_BYTES, Protocol.STRUCTURED_REPLY_BYTES, Protocol.EXTENT_BYTES),
    /** "Extended headers": the same with lengths of 64 bits, for requests too. */
    EXTENDED(
            Protocol.EXTENDED_REQUEST_MAGIC,
            Protocol.EXTENDED_REQUEST_BYTES,
            Protocol.EXTENDED_REPLY_BYTES,
            Long.BYTES + Long.BYTES);

    private final int requestMagic;
    private final int requestBytes;
    private final int headerBytes;
    private final int extentBytes;

    ReplyForm(int requestMagic, int requestBytes, int headerBytes, int extentBytes) {
        this.requestMagic = requestMagic;
        this.requestBytes = requestBytes;
        this.headerBytes = headerBytes;
        this.extentBytes = extentBytes;
    }

    /** How a request begins. */
    int requestMagic() {
        return requestMagic;
    }

    /** The length of a request without its payload. */
    int requestBytes() {
        return requestBytes;
    }

    /** The length of a reply, or of a chunk of it, without what follows. */
    int headerBytes() {
        return headerBytes;
    }

    /** The length of an extent in the answer to BLOCK_STATUS; 0 where there is none. */
    int extentBytes() {
        return extentBytes;
    }
}
