package ramback.cli;

import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import ramback.control.Light;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.power.ForeignText;

/** What a view knows of one device: its newest answers, how old they are, and why there is no newer one. For one thread. */
final class Watched {

    /** An answer older than this is shown as old: asked once a second, a device has missed two turns by then. */
    static final long FRESH_NANOS = 3_000_000_000L;

    private final String name;
    private @Nullable StatusReport now;
    private @Nullable StatusReport earlier;
    private @Nullable Refusal refusal;
    private int goneCount;
    private boolean isStarting;
    private boolean isAsked;
    private long answeredNanos;
    private long peakDirtyBytes;

    /** A device of this name, of which nothing is known yet. */
    Watched(String name) {
        this.name = name;
    }

    String name() {
        return name;
    }

    /** Its newest status, however old; null as long as it never gave one. */
    @Nullable
    StatusReport status() {
        return now;
    }

    /** The status before the newest one, if both are of the same daemon. */
    @Nullable
    StatusReport earlier() {
        return earlier;
    }

    /** Why the newest question was not answered; null if it was, or still may be. */
    @Nullable
    Refusal refusal() {
        return refusal;
    }

    /** The most there was to write since the flush that is under way began. */
    long peakDirtyBytes() {
        return peakDirtyBytes;
    }

    /** Whether a question is out: there is never a second one. */
    boolean isAsked() {
        return isAsked;
    }

    void ask() {
        isAsked = true;
    }

    void answer(StatusReport status, long nowNanos) {
        isAsked = false;
        refusal = null;
        goneCount = 0;
        isStarting = false;
        earlier = now != null && StatusScreen.isFollowedBy(now, status) ? now : null;
        now = status;
        answeredNanos = nowNanos;
        peakDirtyBytes =
                StatusScreen.isFlushing(status) ? Math.max(peakDirtyBytes, status.dirtyBytes()) : status.dirtyBytes();
    }

    void refuse(Refusal why, boolean isAboutToServe) {
        isAsked = false;
        refusal = why;
        isStarting = isAboutToServe;
        goneCount = isGone() ? goneCount + 1 : 0;
    }

    /** Whether its daemon is dead: what is left of it is not a device that runs. */
    boolean isGone() {
        return refusal != null && refusal.kind() == Refusal.Kind.NO_DEVICE;
    }

    /** Whether it will not come back by itself: one look may fall between two programs of an upgrade. */
    boolean isGoneForGood() {
        return goneCount > 1;
    }

    /** Whether the newest status is still true, as far as one can know. */
    boolean isFresh(long nowNanos) {
        return now != null && !isGone() && !isStarting && nowNanos - answeredNanos < FRESH_NANOS;
    }

    /** How old the newest status is, in seconds. */
    double ageSeconds(long nowNanos) {
        return (nowNanos - answeredNanos) / 1e9;
    }

    /** Its light; null when nobody can know. */
    @Nullable
    Light light(long nowNanos) {
        return now != null && isFresh(nowNanos) ? now.lightColour() : null;
    }

    /** Its state in one word of at most eight letters, or how old the one that is known is. */
    String state(long nowNanos) {
        if (isGone()) {
            return "gone";
        }
        if (isStarting) {
            return "starting";
        }
        if (now == null) {
            return refusal == null ? "asked" : "unknown";
        }
        return isFresh(nowNanos)
                ? ForeignText.printable(now.state())
                : Quantities.shortCount(Math.floor(ageSeconds(nowNanos))) + " s old";
    }

    /** How much of a count that only grows came in a second, between the two newest statuses; less than 0 if unknown. */
    double rate(ToLongFunction<StatusReport> count) {
        if (now == null || earlier == null) {
            return -1;
        }
        return (count.applyAsLong(now) - count.applyAsLong(earlier)) / StatusScreen.seconds(earlier, now);
    }

    /** The worse of the 99th percentiles of reads and writes, in seconds; less than 0 if there were none lately. */
    double p99Seconds() {
        double worst = -1;
        if (now != null) {
            for (var latency : now.latencies()) {
                if (latency.kind().equals("read") || latency.kind().equals("write")) {
                    worst = Math.max(worst, latency.p99Seconds());
                }
            }
        }
        return worst;
    }
}
