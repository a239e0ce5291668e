package ramback.clock;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A flag that many threads raise and one thread waits for. Raising a flag that is up already costs a fence and a read. Once
 * waited for, the flag is down again.
 */
public final class Signal {

    private static final VarHandle RAISED;
    private static final VarHandle WAITER;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            RAISED = lookup.findVarHandle(Signal.class, "raised", boolean.class);
            WAITER = lookup.findVarHandle(Signal.class, "waiter", Thread.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    @SuppressWarnings("unused") // through RAISED
    private boolean raised;

    @SuppressWarnings("unused") // through WAITER
    private @Nullable Thread waiter;

    private final Clock clock;

    /** A signal, not raised, whose deadlines are times of this clock. */
    public Signal(Clock clock) {
        this.clock = clock;
    }

    /**
     * Raises the flag and wakes the waiter, if there is one. What this thread wrote before is seen by the waiter after.
     */
    public void raise() {
        // Full fence: if the flag is up already, nothing else keeps what was written before from being seen only
        // after the waiter took the flag and looked.
        VarHandle.fullFence();
        // Volatile both: a waiter announces itself before it looks at the flag, we set the flag before we look for a
        // waiter (Dekker), so one of the two sees the other.
        if (!(boolean) RAISED.getVolatile(this)) {
            RAISED.setVolatile(this, true);
            Thread thread = (Thread) WAITER.getVolatile(this);
            if (thread != null) {
                LockSupport.unpark(thread);
            }
        }
    }

    /** Lowers the flag and returns whether it was up. Only for the thread that waits. */
    public boolean take() {
        return (boolean) RAISED.getVolatile(this) && (boolean) RAISED.getAndSet(this, false);
    }

    /**
     * Waits until the flag is up or the deadline has passed, and lowers the flag.
     *
     * @param deadlineNanos a time of the clock, or {@link Clock#NEVER}
     * @return whether the flag was up
     */
    public boolean await(long deadlineNanos) {
        if (take()) {
            return true;
        }
        WAITER.setVolatile(this, Thread.currentThread());
        try {
            while (!take()) {
                if (deadlineNanos != Clock.NEVER && deadlineNanos <= clock.nanoTime()) {
                    return false;
                }
                clock.park(this, deadlineNanos);
                // An interrupt would make park return at once for ever; nobody here is stopped by one.
                boolean _ = Thread.interrupted();
            }
            return true;
        } finally {
            WAITER.setVolatile(this, null);
        }
    }
}
