package ramback.trace;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/**
 * A ring of the newest {@value #EVENT_COUNT_MAX} events. Recording takes no lock and waits for nobody; an event is left out
 * that is overwritten while it is read, or that would be written into a place where a whole ring later somebody still
 * writes. Safe for use by many threads.
 */
public final class Trace {

    /** How many events are kept. A power of two. */
    public static final int EVENT_COUNT_MAX = 1 << 16;

    // An event in the ring, in longs: 0 sequence + 1 (CLAIMED while being written), 1 nanos, 2 thread << 8 | kind, 3, 4
    // numbers.
    private static final int EVENT_LONGS = 5;
    private static final long CLAIMED = -1;

    private static final TraceEvent[] KINDS = TraceEvent.values();
    private static final VarHandle NEXT;
    private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);

    static {
        try {
            NEXT = MethodHandles.lookup().findVarHandle(Trace.class, "next", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Clock clock;
    private boolean on;
    private boolean recorded;
    private volatile long @Nullable [] ring;
    private volatile long next;

    /** A trace that is off. */
    public Trace(Clock clock) {
        this.clock = clock;
    }

    /** Returns whether events are to be recorded: a plain read, so that it costs nothing while the trace is off. */
    public boolean isOn() {
        return on;
    }

    /** Switches recording on or off. Threads that are busy may take a moment to see it. */
    public void setOn(boolean on) {
        if (on && ring == null) {
            ring = new long[EVENT_COUNT_MAX * EVENT_LONGS];
        }
        this.on = on;
        VarHandle.fullFence();
    }

    /**
     * Returns whether the JDK's flight recorder may want events: a plain read, so that it costs nothing while it does not. What asks for it
     * loads no class of the flight recorder before, which would cost every start.
     */
    public boolean isRecorded() {
        return recorded;
    }

    /** Begins or ends to make events for the flight recorder. Threads that are busy may take a moment to see it. */
    public void setRecorded(boolean recorded) {
        this.recorded = recorded;
        VarHandle.fullFence();
    }

    /** Records an event if the trace is on. */
    public void record(TraceEvent event, long first, long second) {
        long[] events = ring;
        if (!on || events == null) {
            return;
        }
        long sequence = (long) NEXT.getAndAdd(this, 1L);
        int at = (int) (sequence & (EVENT_COUNT_MAX - 1)) * EVENT_LONGS;
        // A seqlock an event: claimed, filled, then published under its sequence number. Whoever was overtaken by a
        // whole
        // ring of events, or finds somebody still in this place, gives up his event instead of mixing the two.
        long before = (long) LONGS.getOpaque(events, at);
        if (before == CLAIMED || before > sequence || !LONGS.compareAndSet(events, at, before, CLAIMED)) {
            return;
        }
        VarHandle.storeStoreFence();
        events[at + 1] = clock.nanoTime();
        events[at + 2] = Thread.currentThread().threadId() << 8 | event.ordinal();
        events[at + 3] = first;
        events[at + 4] = second;
        LONGS.setRelease(events, at, sequence + 1);
    }

    /** The sequence number of the next event: how many have been recorded. */
    public long eventCount() {
        return next;
    }

    /** Where {@link #copyTo} puts lines. */
    @FunctionalInterface
    public interface Sink {
        /** Takes one line of text, without its end. */
        void line(String text) throws IOException;
    }

    /**
     * Writes events as text, oldest first.
     *
     * @param fromSequence the first event wanted; older than what is kept: the oldest kept
     * @return the sequence number to go on from
     */
    public long copyTo(Sink sink, long fromSequence) throws IOException {
        long[] events = ring;
        long end = next;
        long begin = Math.max(fromSequence, end - EVENT_COUNT_MAX);
        if (events == null) {
            return end;
        }
        if (begin > fromSequence) {
            sink.line("… " + (begin - fromSequence) + " events were overwritten before they could be written out");
        }
        for (long sequence = begin; sequence < end; sequence++) {
            int at = (int) (sequence & (EVENT_COUNT_MAX - 1)) * EVENT_LONGS;
            if ((long) LONGS.getAcquire(events, at) != sequence + 1) {
                continue;
            }
            long nanos = events[at + 1];
            long kind = events[at + 2];
            long first = events[at + 3];
            long second = events[at + 4];
            VarHandle.loadLoadFence();
            if ((long) LONGS.getOpaque(events, at) == sequence + 1) {
                sink.line(KINDS[(int) (kind & 0xff)].format(nanos, kind >>> 8, first, second));
            }
        }
        return end;
    }
}
