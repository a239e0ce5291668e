package ramback.writeback;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/** The backing store's failures, for status and light. Safe for use by many threads. */
public final class Faults {

    /** What was being done when it failed; ordinals appear in the trace. */
    public enum Kind {
        /** Reading the image. */
        LOAD,
        /** Writing to the image. */
        APPLY,
        /** Making what was written durable. */
        SYNC,
        /** Writing the journal, or making it durable. */
        JOURNAL
    }

    private static final System.Logger LOG = System.getLogger(Faults.class.getName());

    private final Trace trace;
    private final AtomicLong count = new AtomicLong();
    private volatile @Nullable String last;

    // The newest failure of each kind since it last worked, or null.
    private volatile @Nullable String loadFailure;
    private volatile @Nullable String applyFailure;
    private volatile @Nullable String journalFailure;

    /** No failures so far. */
    public Faults(Trace trace) {
        this.trace = trace;
    }

    void note(Kind kind, long offsetBytes, IOException failure) {
        String text = String.valueOf(failure.getMessage());
        boolean isNew = switch (kind) {
            case LOAD -> {
                boolean before = loadFailure != null;
                loadFailure = text;
                yield !before;
            }
            case APPLY, SYNC -> {
                boolean before = applyFailure != null;
                applyFailure = text;
                yield !before;
            }
            case JOURNAL -> {
                boolean before = journalFailure != null;
                journalFailure = text;
                yield !before;
            }
        };
        last = text;
        count.incrementAndGet();
        trace.record(TraceEvent.FAULT, kind.ordinal(), offsetBytes);
        if (isNew) {
            // Once for each time it begins; the status counts the rest.
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0} fails, will be tried again: {1}",
                    kind == Kind.JOURNAL ? "journal" : "backing store",
                    text);
        }
    }

    /** Notes that the image is not what it was left as: as a failed load, but one that can't be tried again. */
    void noteChanged(String text, long offsetBytes) {
        loadFailure = text;
        last = text;
        count.incrementAndGet();
        trace.record(TraceEvent.FAULT, Kind.LOAD.ordinal(), offsetBytes);
        LOG.log(System.Logger.Level.WARNING, text);
    }

    void noteApplied() {
        if (applyFailure != null) {
            applyFailure = null;
            LOG.log(System.Logger.Level.INFO, "backing store takes writes again");
        }
    }

    void noteCommitted() {
        if (journalFailure != null) {
            journalFailure = null;
            LOG.log(System.Logger.Level.INFO, "journal takes writes again");
        }
    }

    void noteLoaded() {
        if (loadFailure != null) {
            loadFailure = null;
            LOG.log(System.Logger.Level.INFO, "all of the image is loaded now");
        }
    }

    /** Failed calls since the start. */
    public long count() {
        return count.get();
    }

    /** The newest failure in words, or null if there was none. */
    public @Nullable String last() {
        return last;
    }

    /** What failed and has not succeeded since, in words, the gravest first; null if all is well. */
    public @Nullable String failing() {
        List<String> all = new ArrayList<>();
        for (String failure : new @Nullable String[] {journalFailure, applyFailure, loadFailure}) {
            if (failure != null) {
                all.add(failure);
            }
        }
        return all.isEmpty() ? null : String.join("; ", all);
    }

    /** Whether something that failed has not succeeded since. */
    public boolean isFailing() {
        return loadFailure != null || applyFailure != null || journalFailure != null;
    }

    /** Whether the newest attempt to carry changes to the image failed. */
    public boolean isApplyFailing() {
        return applyFailure != null;
    }
}
