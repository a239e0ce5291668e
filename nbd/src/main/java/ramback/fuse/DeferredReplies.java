package ramback.fuse;

import ramback.device.DeviceSession;
import ramback.device.Outcome;

/** The reply thread of a session: answers the requests that had to wait, in the order in which they finish. */
final class DeferredReplies {

    private final DeviceSession session;
    private final WaitingRequests waiting;
    private final Replies replies;

    DeferredReplies(DeviceSession session, WaitingRequests waiting, Replies replies) {
        this.session = session;
        this.waiting = waiting;
        this.replies = replies;
    }

    /** Answers until the session is closed. */
    void run() {
        while (true) {
            long token = session.awaitDeferred();
            if (token == DeviceSession.CLOSED) {
                return;
            }
            int slot = Math.toIntExact(token);
            answer(slot, session.deferredOutcome());
            waiting.answered(slot);
        }
    }

    private void answer(int slot, Outcome outcome) {
        long unique = waiting.unique(slot);
        if (outcome != Outcome.DONE) {
            replies.error(unique, Replies.errorOf(outcome));
            return;
        }
        switch (waiting.opcode(slot)) {
            case FuseProtocol.READ -> replies.read(unique, waiting.offsetBytes(slot), waiting.lengthBytes(slot));
            case FuseProtocol.WRITE -> replies.written(unique, waiting.lengthBytes(slot));
            default -> replies.done(unique);
        }
    }
}
