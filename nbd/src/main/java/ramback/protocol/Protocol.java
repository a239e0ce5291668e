package ramback.protocol;

/** The numbers of the NBD specification (proto.md), under its section names. All fields on the wire are big-endian. */
public final class Protocol {

    private Protocol() {}

    // ------------------------------------------------------------------------------------ "Newstyle negotiation"

    /** First word of the server's greeting. */
    public static final long NBDMAGIC = 0x4e42444d41474943L;
    /** Second word of the greeting, and the first of every option. */
    public static final long IHAVEOPT = 0x49484156454F5054L;
    /** First word of every option reply. */
    public static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;

    /** IHAVEOPT, option, data length. */
    public static final int OPTION_HEADER_BYTES = 16;
    /** Magic, option, reply type, data length. */
    public static final int OPTION_REPLY_HEADER_BYTES = 20;
    /** The zeroes that end the answer to EXPORT_NAME unless NO_ZEROES was agreed. */
    public static final int EXPORT_NAME_ZEROES_BYTES = 124;
    /** "Conventions": a string MUST be no longer. */
    public static final int STRING_BYTES_MAX = 4096;

    // ----------------------------------------------------------------------------- "Handshake flags", "Client flags"

    public static final int FLAG_FIXED_NEWSTYLE = 1;
    public static final int FLAG_NO_ZEROES = 1 << 1;
    public static final int FLAG_C_FIXED_NEWSTYLE = 1;
    public static final int FLAG_C_NO_ZEROES = 1 << 1;
    /** Every client flag that the server knows: a client that sets another MUST be dropped. */
    public static final int CLIENT_FLAGS_KNOWN = FLAG_C_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES;

    // ------------------------------------------------------------------------------------------- "Transmission flags"

    public static final int FLAG_HAS_FLAGS = 1;
    public static final int FLAG_READ_ONLY = 1 << 1;
    public static final int FLAG_SEND_FLUSH = 1 << 2;
    public static final int FLAG_SEND_FUA = 1 << 3;
    public static final int FLAG_SEND_TRIM = 1 << 5;
    public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    public static final int FLAG_SEND_DF = 1 << 7;
    public static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    public static final int FLAG_SEND_CACHE = 1 << 10;
    public static final int FLAG_SEND_FAST_ZERO = 1 << 11;
    /** BLOCK_STATUS takes a payload that says which contexts are meant. */
    public static final int FLAG_BLOCK_STATUS_PAYLOAD = 1 << 12;

    // ------------------------------------------------------------------------------------------------ "Option types"

    public static final int OPT_EXPORT_NAME = 1;
    public static final int OPT_ABORT = 2;
    public static final int OPT_LIST = 3;
    public static final int OPT_STARTTLS = 5;
    public static final int OPT_INFO = 6;
    public static final int OPT_GO = 7;
    public static final int OPT_STRUCTURED_REPLY = 8;
    public static final int OPT_LIST_META_CONTEXT = 9;
    public static final int OPT_SET_META_CONTEXT = 10;
    public static final int OPT_EXTENDED_HEADERS = 11;

    // ------------------------------------------------------------------------------------------ "Option reply types"

    public static final int REP_ACK = 1;
    public static final int REP_SERVER = 2;
    public static final int REP_INFO = 3;
    public static final int REP_META_CONTEXT = 4;
    /** Set in the type of every reply that is an error. */
    public static final int REP_FLAG_ERROR = 1 << 31;

    public static final int REP_ERR_UNSUP = 0x8000_0001;
    public static final int REP_ERR_POLICY = 0x8000_0002;
    public static final int REP_ERR_INVALID = 0x8000_0003;
    public static final int REP_ERR_PLATFORM = 0x8000_0004;
    public static final int REP_ERR_TLS_REQD = 0x8000_0005;
    public static final int REP_ERR_UNKNOWN = 0x8000_0006;
    public static final int REP_ERR_SHUTDOWN = 0x8000_0007;
    public static final int REP_ERR_BLOCK_SIZE_REQD = 0x8000_0008;
    public static final int REP_ERR_TOO_BIG = 0x8000_0009;
    public static final int REP_ERR_EXT_HEADER_REQD = 0x8000_000a;

    public static final int INFO_EXPORT = 0;
    public static final int INFO_NAME = 1;
    public static final int INFO_DESCRIPTION = 2;
    public static final int INFO_BLOCK_SIZE = 3;

    /** "Size constraints": any byte range may be asked for. */
    public static final int BLOCK_BYTES_MIN = 1;
    /** The same: what a client may expect that a server takes which says nothing else. */
    public static final int PAYLOAD_BYTES_DEFAULT = 32 << 20;
    /** The same: the largest minimum that a server may ask for. */
    public static final int BLOCK_BYTES_MIN_LARGEST = 64 << 10;

    // -------------------------------------------------------------------------- "Request message", "Simple reply
    // message"

    public static final int REQUEST_MAGIC = 0x25609513;
    public static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    /** Magic, command flags, type, cookie, offset, length. */
    public static final int REQUEST_BYTES = 28;
    /** Magic, error, cookie. */
    public static final int SIMPLE_REPLY_BYTES = 16;

    // ------------------------------------------------------------------------------------ "Structured reply message"

    public static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    /** Magic, flags, type, cookie, length of what follows. */
    public static final int STRUCTURED_REPLY_BYTES = 20;

    public static final int REPLY_FLAG_DONE = 1;

    public static final int REPLY_NONE = 0;
    public static final int REPLY_OFFSET_DATA = 1;
    public static final int REPLY_OFFSET_HOLE = 2;
    public static final int REPLY_BLOCK_STATUS = 5;
    public static final int REPLY_BLOCK_STATUS_EXT = 6;
    /** Set in the type of every chunk that tells an error. */
    public static final int REPLY_ERROR_BIT = 1 << 15;

    public static final int REPLY_ERROR = REPLY_ERROR_BIT | 1;
    /** As ERROR, with the offset behind its message. */
    public static final int REPLY_ERROR_OFFSET = REPLY_ERROR_BIT | 2;

    /** Error value, length of the message. */
    public static final int REPLY_ERROR_BYTES = 6;

    // ------------------------------------------------------------ "Extended headers" (branch extension-ext-header)

    public static final int EXTENDED_REQUEST_MAGIC = 0x21e41c71;
    public static final int EXTENDED_REPLY_MAGIC = 0x6e8a278c;
    /** Magic, command flags, type, cookie, offset, length. */
    public static final int EXTENDED_REQUEST_BYTES = 32;
    /** Magic, flags, type, cookie, offset of the request, length of what follows. */
    public static final int EXTENDED_REPLY_BYTES = 32;

    // ------------------------------------------------------------------------------------------- "Metadata querying"

    public static final String CONTEXT_ALLOCATION = "base:allocation";
    /** Our own: whether the image lacks what the device holds. */
    public static final String CONTEXT_DIRTY = "ramback:dirty";
    /** The extent takes no space. */
    public static final int STATE_HOLE = 1;
    /** The extent reads as zeroes. */
    public static final int STATE_ZERO = 1 << 1;
    /** Of {@link #CONTEXT_DIRTY}: the image lacks the extent. */
    public static final int STATE_DIRTY = 1;
    /** Length, flags. */
    public static final int EXTENT_BYTES = 8;

    // ----------------------------------------------------------------------------------------------- "Request types"

    public static final int CMD_READ = 0;
    public static final int CMD_WRITE = 1;
    public static final int CMD_DISC = 2;
    public static final int CMD_FLUSH = 3;
    public static final int CMD_TRIM = 4;
    public static final int CMD_CACHE = 5;
    public static final int CMD_WRITE_ZEROES = 6;
    public static final int CMD_BLOCK_STATUS = 7;

    // ----------------------------------------------------------------------------------------------- "Command flags"

    public static final int CMD_FLAG_FUA = 1;
    public static final int CMD_FLAG_NO_HOLE = 1 << 1;
    /** One content chunk alone answers a READ. */
    public static final int CMD_FLAG_DF = 1 << 2;
    /** One extent a context answers a BLOCK_STATUS. */
    public static final int CMD_FLAG_REQ_ONE = 1 << 3;

    public static final int CMD_FLAG_FAST_ZERO = 1 << 4;
    /** With extended headers: the length is that of the payload which follows. */
    public static final int CMD_FLAG_PAYLOAD_LEN = 1 << 5;

    // ------------------------------------------------------------------------------------------------ "Error values"

    public static final int OK = 0;
    public static final int EPERM = 1;
    public static final int EIO = 5;
    public static final int ENOMEM = 12;
    public static final int EINVAL = 22;
    public static final int ENOSPC = 28;
    public static final int EOVERFLOW = 75;
    public static final int ENOTSUP = 95;
    public static final int ESHUTDOWN = 108;
}
