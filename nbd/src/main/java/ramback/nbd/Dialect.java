package ramback.nbd;

import java.util.Set;
import ramback.protocol.Protocol;

/**
 * What a client and the server agreed on for the transmission phase.
 *
 * @param form the messages they use
 * @param contexts what BLOCK_STATUS tells, of the export that was taken; empty: it can't be asked
 */
record Dialect(ReplyForm form, Set<MetaContext> contexts) {

    /** What holds where nothing was asked for. */
    static final Dialect PLAIN = new Dialect(ReplyForm.SIMPLE, Set.of());

    Dialect {
        contexts = Set.copyOf(contexts);
    }

    /** The contexts as a set of {@linkplain MetaContext#bit() bits}. */
    int contextBits() {
        return contexts.stream().mapToInt(MetaContext::bit).sum();
    }

    /** The flags that a command may have; another one is EINVAL. FUA is accepted on every command. */
    int commandFlagsAllowed(int command) {
        boolean isStructured = form != ReplyForm.SIMPLE;
        boolean isExtended = form == ReplyForm.EXTENDED;
        return Protocol.CMD_FLAG_FUA
                | switch (command) {
                    case Protocol.CMD_READ -> isStructured ? Protocol.CMD_FLAG_DF : 0;
                    case Protocol.CMD_WRITE -> isExtended ? Protocol.CMD_FLAG_PAYLOAD_LEN : 0;
                    case Protocol.CMD_WRITE_ZEROES -> Protocol.CMD_FLAG_NO_HOLE | Protocol.CMD_FLAG_FAST_ZERO;
                    case Protocol.CMD_BLOCK_STATUS ->
                        Protocol.CMD_FLAG_REQ_ONE | (isExtended ? Protocol.CMD_FLAG_PAYLOAD_LEN : 0);
                    default -> 0;
                };
    }

    /** "Transmission flags" that go with the messages: DF, and that BLOCK_STATUS takes a payload. */
    int transmissionFlags() {
        return switch (form) {
            case SIMPLE -> 0;
            case STRUCTURED -> Protocol.FLAG_SEND_DF;
            case EXTENDED -> Protocol.FLAG_SEND_DF | Protocol.FLAG_BLOCK_STATUS_PAYLOAD;
        };
    }
}
