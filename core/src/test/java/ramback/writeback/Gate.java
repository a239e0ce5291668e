package ramback.writeback;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import ramback.backing.MemoryBacking;
import ramback.backing.MemoryBacking.Call;

/** Holds calls of a disk before they take effect, so that a test can do something "meanwhile". */
final class Gate implements MemoryBacking.Hook {

    /** After this long a test hangs and may as well fail. */
    static final long HANG_SECONDS = 60;

    private final Predicate<Call> which;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private int heldCount;
    private int permitCount;
    private boolean open;

    private Gate(Predicate<Call> which) {
        this.which = which;
    }

    /** A closed gate before the calls of a disk for which the condition holds. */
    static Gate closedFor(MemoryBacking backing, Predicate<Call> which) {
        Gate gate = new Gate(which);
        backing.before(gate);
        return gate;
    }

    @Override
    public void before(Call call) {
        if (!which.test(call)) {
            return;
        }
        lock.lock();
        try {
            heldCount++;
            changed.signalAll();
            while (!open && permitCount == 0) {
                changed.awaitUninterruptibly();
            }
            heldCount--;
            if (!open) {
                permitCount--;
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits until so many calls stand before the gate. */
    void awaitHeld(int count) {
        lock.lock();
        try {
            long left = TimeUnit.SECONDS.toNanos(HANG_SECONDS);
            while (heldCount < count) {
                if (left <= 0) {
                    throw new AssertionError("only " + heldCount + " of " + count + " calls came to the gate");
                }
                left = changed.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        } finally {
            lock.unlock();
        }
    }

    /** How many calls stand before the gate now. */
    int heldCount() {
        lock.lock();
        try {
            return heldCount;
        } finally {
            lock.unlock();
        }
    }

    /** Lets so many calls through. */
    void letThrough(int count) {
        lock.lock();
        try {
            permitCount += count;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Lets all calls through from now on. */
    void open() {
        lock.lock();
        try {
            open = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
