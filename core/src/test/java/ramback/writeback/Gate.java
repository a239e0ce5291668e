package ramback.writeback;

import java.util.ArrayList;
import java.util.List;
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
    private final List<Call> arrived = new ArrayList<>();
    private int permitCount;
    private boolean open;

    /** A closed gate for the calls for which the condition holds. */
    Gate(Predicate<Call> which) {
        this.which = which;
    }

    @Override
    public void before(Call call) {
        if (!which.test(call)) {
            return;
        }
        lock.lock();
        try {
            arrived.add(call);
            changed.signalAll();
            while (!open && permitCount == 0) {
                changed.awaitUninterruptibly();
            }
            if (!open) {
                permitCount--;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Waits until so many calls have come to the gate since it was built, and returns them in their order. */
    List<Call> awaitArrived(int count) {
        lock.lock();
        try {
            long left = TimeUnit.SECONDS.toNanos(HANG_SECONDS);
            while (arrived.size() < count) {
                if (left <= 0) {
                    throw new AssertionError("only " + arrived + " of " + count + " calls came to the gate");
                }
                left = changed.awaitNanos(left);
            }
            return List.copyOf(arrived);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
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
