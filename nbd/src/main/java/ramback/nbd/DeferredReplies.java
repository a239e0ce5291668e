package ramback.nbd;

import java.io.IOException;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.traffic.SessionTraffic;

/**
 * The reply thread of a connection: collects the requests that had to wait and answers them, in the order in which they
 * finish. The device's own threads never touch a socket.
 */
final class DeferredReplies {

    /** The most replies that are gathered before they are sent. */
    private static final int BATCH_COUNT_MAX = 64;

    private final DeviceSession session;
    private final DeferredSlots slots;
    private final Replies replies;
    private final SessionTraffic traffic;

    DeferredReplies(DeviceSession session, DeferredSlots slots, Replies replies, SessionTraffic traffic) {
        this.session = session;
        this.slots = slots;
        this.replies = replies;
        this.traffic = traffic;
    }

    /** Answers until the session is closed. */
    void run() throws IOException {
        int gatheredCount = 0;
        while (true) {
            long token = session.awaitDeferred();
            if (token == DeviceSession.CLOSED) {
                return;
            }
            answer(Math.toIntExact(token), session.deferredOutcome());
            gatheredCount++;
            if (gatheredCount == BATCH_COUNT_MAX || !session.hasDeferred()) {
                replies.flush();
                slots.answered(gatheredCount);
                gatheredCount = 0;
            }
        }
    }

    private void answer(int slot, Outcome outcome) throws IOException {
        if (outcome == Outcome.DONE && slots.command(slot) == Protocol.CMD_READ) {
            replies.addRead(slot);
        } else {
            if (outcome != Outcome.DONE) {
                traffic.countFailed();
            }
            replies.add(slot, Replies.errorOf(outcome));
        }
        slots.release(slot);
    }
}
