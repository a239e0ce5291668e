package ramback.fuse;

import ramback.device.Outcome;
import ramback.traffic.PendingAnswers;
import ramback.traffic.SessionTraffic;

/** One thread's answers to requests for {@code disk}: each is given with the reply that fits it, and counted. */
final class DiskReplies {

    private final WaitingRequests waiting;
    private final Replies replies;
    private final SessionTraffic traffic;
    private final PendingAnswers answers;

    /**
     * @param replies of the thread that answers
     * @param answers of that thread
     */
    DiskReplies(WaitingRequests waiting, Replies replies, SessionTraffic traffic, PendingAnswers answers) {
        this.waiting = waiting;
        this.replies = replies;
        this.traffic = traffic;
        this.answers = answers;
    }

    /** Answers the request in a slot, whose range is loaded if it was a READ that is done. */
    void answer(int slot, Outcome outcome) {
        long unique = waiting.unique(slot);
        int error = Replies.errorOf(outcome);
        if (error != 0) {
            traffic.countFailed();
            replies.error(unique, error);
        } else {
            switch (waiting.kind(slot)) {
                case READ -> replies.read(unique, waiting.offsetBytes(slot), waiting.lengthBytes(slot));
                case WRITE -> replies.written(unique, waiting.lengthBytes(slot));
                case FLUSH, TRIM, ZERO, CACHE, STATUS -> replies.done(unique);
            }
        }
        answers.add(waiting.kind(slot), waiting.receivedNanos(slot), error, waiting.takeSpan(slot));
        answers.sent();
    }

    /** Answers a request that must not reach the device with an error. */
    void refuse(long unique, int errno) {
        traffic.countFailed();
        replies.error(unique, errno);
    }
}
