package ramback.nbd;

import ramback.device.Device;
import ramback.device.Outcome;

/** The numbers of the NBD specification, under its section names. All fields on the wire are big-endian. */
final class Protocol {

    private Protocol() {}

    // ------------------------------------------------------------------------------------ "Newstyle negotiation"

    /** First word of the server's greeting. */
    static final long NBDMAGIC = 0x4e42444d41474943L;
    /** Second word of the greeting, and the first of every option. */
    static final long IHAVEOPT = 0x49484156454F5054L;
    /** First word of every option reply. */
    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;

    /** IHAVEOPT, option, data length. */
    static final int OPTION_HEADER_BYTES = 16;
    /** Magic, option, reply type, data length. */
    static final int OPTION_REPLY_HEADER_BYTES = 20;
    /** The zeroes that end the answer to EXPORT_NAME unless NO_ZEROES was agreed. */
    static final int EXPORT_NAME_ZEROES_BYTES = 124;
    /** "Conventions": a string MUST be no longer. */
    static final int STRING_BYTES_MAX = 4096;

    // ----------------------------------------------------------------------------- "Handshake flags", "Client flags"

    static final int FLAG_FIXED_NEWSTYLE = 1;
    static final int FLAG_NO_ZEROES = 1 << 1;
    static final int FLAG_C_NO_ZEROES = 1 << 1;
    /** Every client flag that the server knows: a client that sets another MUST be dropped. */
    static final int CLIENT_FLAGS_KNOWN = FLAG_FIXED_NEWSTYLE | FLAG_C_NO_ZEROES;

    // ------------------------------------------------------------------------------------------- "Transmission flags"

    static final int FLAG_HAS_FLAGS = 1;
    static final int FLAG_READ_ONLY = 1 << 1;
    static final int FLAG_SEND_FLUSH = 1 << 2;
    static final int FLAG_SEND_FUA = 1 << 3;
    static final int FLAG_SEND_TRIM = 1 << 5;
    static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    static final int FLAG_SEND_CACHE = 1 << 10;
    static final int FLAG_SEND_FAST_ZERO = 1 << 11;

    /** What is said of a device: a FLUSH covers every session (MULTI_CONN); a read-only one takes no changes. */
    static int transmissionFlags(Device device) {
        int flags = FLAG_HAS_FLAGS | FLAG_SEND_FLUSH | FLAG_SEND_FUA | FLAG_CAN_MULTI_CONN | FLAG_SEND_CACHE;
        return device.readOnly()
                ? flags | FLAG_READ_ONLY
                : flags | FLAG_SEND_TRIM | FLAG_SEND_WRITE_ZEROES | FLAG_SEND_FAST_ZERO;
    }

    // ------------------------------------------------------------------------------------------------ "Option types"

    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_ABORT = 2;
    static final int OPT_LIST = 3;
    static final int OPT_INFO = 6;
    static final int OPT_GO = 7;

    // ------------------------------------------------------------------------------------------ "Option reply types"

    static final int REP_ACK = 1;
    static final int REP_SERVER = 2;
    static final int REP_INFO = 3;
    static final int REP_ERR_UNSUP = 0x8000_0001;
    static final int REP_ERR_POLICY = 0x8000_0002;
    static final int REP_ERR_INVALID = 0x8000_0003;
    static final int REP_ERR_UNKNOWN = 0x8000_0006;
    static final int REP_ERR_SHUTDOWN = 0x8000_0007;
    static final int REP_ERR_TOO_BIG = 0x8000_0009;

    static final int INFO_EXPORT = 0;
    static final int INFO_NAME = 1;
    static final int INFO_DESCRIPTION = 2;
    static final int INFO_BLOCK_SIZE = 3;

    /** "Size constraints": any byte range may be asked for. */
    static final int BLOCK_BYTES_MIN = 1;

    // -------------------------------------------------------------------------- "Request message", "Simple reply
    // message"

    static final int REQUEST_MAGIC = 0x25609513;
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    /** Magic, command flags, type, cookie, offset, length. */
    static final int REQUEST_BYTES = 28;
    /** Magic, error, cookie. */
    static final int SIMPLE_REPLY_BYTES = 16;

    // ----------------------------------------------------------------------------------------------- "Request types"

    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_CACHE = 5;
    static final int CMD_WRITE_ZEROES = 6;

    // ----------------------------------------------------------------------------------------------- "Command flags"

    static final int CMD_FLAG_FUA = 1;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;
    static final int CMD_FLAG_FAST_ZERO = 1 << 4;

    /** The flags documented for a command; another one is EINVAL. FUA is accepted on every command. */
    static int commandFlagsAllowed(int command) {
        return command == CMD_WRITE_ZEROES ? CMD_FLAG_FUA | CMD_FLAG_NO_HOLE | CMD_FLAG_FAST_ZERO : CMD_FLAG_FUA;
    }

    // ------------------------------------------------------------------------------------------------ "Error values"

    static final int OK = 0;
    static final int EPERM = 1;
    static final int EIO = 5;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int ESHUTDOWN = 108;

    /** The error value of a request's final outcome. */
    static int errorOf(Outcome outcome) {
        return switch (outcome) {
            case DONE -> OK;
            case IO_ERROR -> EIO;
            case NO_SPACE -> ENOSPC;
            case READ_ONLY -> EPERM;
            case INVALID -> EINVAL;
            case SHUTTING_DOWN -> ESHUTDOWN;
            case DEFERRED -> throw new IllegalStateException("a deferred request has no error value yet");
        };
    }
}
