package ramback.nbd;

import ramback.protocol.Protocol;
import ramback.traffic.RequestKind;

/** As what the commands of the protocol are counted. */
final class Kinds {

    private static final RequestKind[] OF_COMMAND = new RequestKind[Protocol.CMD_BLOCK_STATUS + 1];

    static {
        OF_COMMAND[Protocol.CMD_READ] = RequestKind.READ;
        OF_COMMAND[Protocol.CMD_WRITE] = RequestKind.WRITE;
        OF_COMMAND[Protocol.CMD_FLUSH] = RequestKind.FLUSH;
        OF_COMMAND[Protocol.CMD_TRIM] = RequestKind.TRIM;
        OF_COMMAND[Protocol.CMD_CACHE] = RequestKind.CACHE;
        OF_COMMAND[Protocol.CMD_WRITE_ZEROES] = RequestKind.ZERO;
        OF_COMMAND[Protocol.CMD_BLOCK_STATUS] = RequestKind.STATUS;
    }

    private Kinds() {}

    /** The kind of a command that the server carries out. */
    static RequestKind of(int command) {
        return OF_COMMAND[command];
    }
}
