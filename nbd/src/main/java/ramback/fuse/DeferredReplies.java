package ramback.fuse;

import ramback.device.DeviceSession;

/** The reply thread of a session: answers the requests that had to wait, in the order in which they finish. */
final class DeferredReplies {

    private final DeviceSession session;
    private final WaitingRequests waiting;
    private final DiskReplies replies;

    DeferredReplies(DeviceSession session, WaitingRequests waiting, DiskReplies replies) {
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
            replies.answer(slot, session.deferredOutcome());
            waiting.answered(slot);
        }
    }
}
