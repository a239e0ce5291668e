package ramback.nbd;

import java.util.Locale;
import ramback.protocol.Protocol;

/** The kinds of requests that are told apart where it matters how long they took. */
public enum RequestKind {
    /** READ. */
    READ(Protocol.CMD_READ),
    /** WRITE. */
    WRITE(Protocol.CMD_WRITE),
    /** FLUSH. */
    FLUSH(Protocol.CMD_FLUSH),
    /** TRIM. */
    TRIM(Protocol.CMD_TRIM),
    /** WRITE_ZEROES. */
    ZERO(Protocol.CMD_WRITE_ZEROES);

    private final int command;

    RequestKind(int command) {
        this.command = command;
    }

    /** The command's number in the protocol. */
    int command() {
        return command;
    }

    /** The word in the status and in metrics. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
