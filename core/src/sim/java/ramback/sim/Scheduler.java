package ramback.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/**
 * Runs tasks one at a time, in an order drawn from a seed, under a time of its own. A task keeps going until it pauses; then the
 * next one is drawn among those that may have something to do. When nobody has, time goes on to the next deadline. Each
 * task has a thread, but only one of them ever runs, so that what happens depends on the seed alone.
 */
final class Scheduler {

    /** Nanoseconds that pass, at most, when one task hands over to the next. */
    private static final int HANDOVER_NANOS_MAX = 3_000;

    /** A task that waits for something that another one holds, who is not to go on, waits for ever. */
    private static final int BLOCKED_SECONDS = 60;

    /** Of so many chances to take the processor from a task one is taken. */
    private static final int PREEMPT_DICE = 4;

    /** It comes back at once, when all have the same chance, or after as long. */
    private static final int PREEMPTED_NANOS_MAX = 3_000_000;

    /** When nobody has a deadline, everybody is asked this often before that is called a deadlock. */
    private static final int NUDGE_COUNT_MAX = 4;

    /** More steps than any scenario takes: whoever spins without waiting is found by that. */
    private static final long STEP_COUNT_MAX = 3_000_000;

    /** Ends a task from within {@link #pause}; an error, so that nobody takes it for a failure of a disk. */
    private static final class Stopped extends Error {
        private static final long serialVersionUID = 1L;

        Stopped() {
            super("the simulation is over", null, false, false);
        }
    }

    private static final class Task {
        final String name;
        final Thread thread;
        long deadlineNanos = Long.MIN_VALUE;
        boolean isFirm;
        long seenProgress = -1;

        @Nullable
        Object blocker;

        /** Its process was killed: it ends where it is. */
        boolean isEnding;

        /** What it is to throw when it goes on. */
        @Nullable
        Error told;

        boolean done;
        long stepCount;
        volatile boolean hasTurn;

        Task(String name, Thread.Builder builder, Runnable body) {
            this.name = name;
            this.thread = builder.unstarted(body);
        }

        /** Its name, and what it is in the middle of. */
        String where() {
            StringBuilder text = new StringBuilder(name);
            for (StackTraceElement frame : thread.getStackTrace()) {
                text.append(" < ").append(frame.getClassName()).append('.').append(frame.getMethodName());
            }
            return text.toString();
        }
    }

    private final Random random;
    private final TraceHash hash;
    private final List<Task> tasks = new ArrayList<>();
    private final CountDownLatch over = new CountDownLatch(1);
    private @Nullable Task current;
    private long nowNanos = 1_000_000_000L;
    private long progress;
    private long nudgedProgress;
    private int nudgeCount;
    private final AtomicLong stepCount = new AtomicLong();
    private boolean stopping;
    private @Nullable Throwable failure;
    private Runnable onSwitch = () -> {};

    /**
     * A scheduler without tasks.
     *
     * @param hash is told of every step
     */
    Scheduler(long seed, TraceHash hash) {
        this.random = new Random(seed);
        this.hash = hash;
    }

    /** Adds a task; it begins when it is drawn for the first time. */
    void spawn(String name, Runnable body) {
        Task[] own = new Task[1];
        Task task = new Task(name, Thread.ofVirtual().name(name), () -> runTask(own[0], body));
        own[0] = task;
        tasks.add(task);
        progress++;
        task.thread.start();
    }

    /** Runs everything until {@link #stop} was called and every task has ended; throws what a task failed with. */
    void run() {
        if (tasks.isEmpty()) {
            return;
        }
        handOver(draw());
        boolean interrupted = false;
        while (true) {
            try {
                long before = stepCount.get();
                if (over.await(BLOCKED_SECONDS, TimeUnit.SECONDS)) {
                    break;
                }
                if (stepCount.get() == before) {
                    Task blocked = current;
                    throw new AssertionError("a task has been blocked for " + BLOCKED_SECONDS
                            + " s by something that another one holds: "
                            + (blocked == null ? "none" : blocked.where()));
                }
            } catch (InterruptedException e) {
                // A test that takes too long: let it end and say so.
                interrupted = true;
                stopping = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        Throwable thrown = failure;
        if (thrown instanceof RuntimeException e) {
            throw e;
        }
        if (thrown instanceof Error e) {
            throw e;
        }
    }

    /** Has something done whenever a task hands over, before the next one goes on. */
    void onSwitch(Runnable action) {
        onSwitch = action;
    }

    /** Ends every task at its next pause; by a task. */
    void stop() {
        stopping = true;
    }

    /**
     * Ends every task where it is, as when its process is killed, but for one that goes on with an error. By a task; does not return.
     */
    Error kill(String survivor, Error told) {
        for (Task task : tasks) {
            if (task.name.equals(survivor)) {
                task.told = told;
            } else {
                task.isEnding = true;
            }
        }
        onSwitch = () -> {};
        progress++;
        throw endOf(current);
    }

    /** Waits until all those have ended that were killed; by the one that was not. */
    void awaitKilled() {
        while (tasks.stream().anyMatch(task -> task.isEnding && !task.done)) {
            handOn("killed tasks", nowNanos, true);
        }
    }

    private static boolean isToEnd(Task task) {
        return task.isEnding || task.told != null;
    }

    private static Error endOf(Task task) {
        Error told = task.told;
        task.told = null;
        return told == null ? new Stopped() : told;
    }

    /** Whether a task runs, which is the one who asks. */
    boolean isRunning() {
        return current != null && Thread.currentThread().equals(current.thread);
    }

    /** Who runs. */
    String running() {
        return current.name;
    }

    long nanoTime() {
        return nowNanos;
    }

    /** How often a task was let go on. */
    long stepCount() {
        return stepCount.get();
    }

    /** Says that something happened which may give others something to do. */
    void noteProgress() {
        progress++;
    }

    /** Lets others go on; returns at the deadline, or whenever something has happened that may matter. */
    void pause(@Nullable Object blocker, long deadlineNanos) {
        handOn(blocker, deadlineNanos, false);
    }

    /** Whether the processor is to be taken from whoever runs, as it may be in the middle of anything. */
    boolean wantsToPreempt() {
        return current != null && random.nextInt(PREEMPT_DICE) == 0;
    }

    /** Takes the processor from the task that runs, which holds nothing that others wait for. */
    void preempt() {
        boolean isLong = random.nextBoolean();
        handOn("preempted", nowNanos + (isLong ? random.nextInt(PREEMPTED_NANOS_MAX) : 0), isLong);
    }

    /** Lets others go on until a time has come: the task is in the middle of something that takes as long. */
    void sleepUntil(Object reason, long deadlineNanos) {
        handOn(reason, deadlineNanos, true);
    }

    private void handOn(@Nullable Object blocker, long deadlineNanos, boolean isFirm) {
        Task task = current;
        if (task == null) {
            throw new IllegalStateException("only tasks may wait");
        }
        endIfTold(task);
        onSwitch.run();
        task.blocker = blocker;
        task.deadlineNanos = deadlineNanos;
        task.isFirm = isFirm;
        task.seenProgress = progress;
        Task next = draw();
        if (next != task) {
            task.hasTurn = false;
            handOver(next);
            awaitTurn(task);
        }
        endIfTold(task);
    }

    private void endIfTold(Task task) {
        if (stopping) {
            throw new Stopped();
        }
        if (isToEnd(task)) {
            throw endOf(task);
        }
    }

    private void runTask(Task task, Runnable body) {
        awaitTurn(task);
        try {
            if (!stopping && !task.isEnding) {
                body.run();
                onSwitch.run();
            }
        } catch (Stopped e) {
            // As it was told.
        } catch (Throwable e) {
            if (failure == null) {
                failure = e;
            }
            stopping = true;
        }
        task.done = true;
        progress++;
        Task next = draw();
        if (next == null) {
            over.countDown();
        } else {
            handOver(next);
        }
    }

    private void awaitTurn(Task task) {
        // Whoever raises a signal unparks this thread, although it is not its turn.
        while (!task.hasTurn) {
            LockSupport.park(this);
        }
    }

    private void handOver(@Nullable Task next) {
        if (next == null) {
            throw new IllegalStateException("nobody is left to go on");
        }
        current = next;
        next.hasTurn = true;
        LockSupport.unpark(next.thread);
    }

    /** Draws who goes on, letting time pass if nobody can before; null when all have ended. */
    private @Nullable Task draw() {
        nowNanos += random.nextInt(HANDOVER_NANOS_MAX);
        while (true) {
            Task chosen = null;
            int candidates = 0;
            long earliest = Clock.NEVER;
            boolean isAnyLeft = false;
            for (Task task : tasks) {
                if (task.done) {
                    continue;
                }
                isAnyLeft = true;
                boolean isDue = task.deadlineNanos <= nowNanos;
                if (stopping || isToEnd(task) || isDue || (!task.isFirm && task.seenProgress != progress)) {
                    candidates++;
                    if (random.nextInt(candidates) == 0) {
                        chosen = task;
                    }
                } else {
                    earliest = Math.min(earliest, task.deadlineNanos);
                }
            }
            if (!isAnyLeft) {
                return null;
            }
            if (chosen != null) {
                chosen.stepCount++;
                if (stepCount.incrementAndGet() > STEP_COUNT_MAX) {
                    fail("nobody comes to an end within " + STEP_COUNT_MAX + " steps");
                }
                hash.add(chosen.name.hashCode());
                return chosen;
            }
            advance(earliest);
        }
    }

    private void advance(long earliest) {
        progress++;
        if (earliest != Clock.NEVER) {
            nowNanos = earliest;
            nudgeCount = 0;
            return;
        }
        nudgeCount = progress - nudgedProgress == 1 ? nudgeCount + 1 : 1;
        nudgedProgress = progress;
        if (nudgeCount > NUDGE_COUNT_MAX) {
            fail("everybody waits for ever");
        }
    }

    private void fail(String what) {
        StringBuilder text = new StringBuilder("simulation, after ")
                .append(nowNanos / 1_000_000)
                .append(" ms: ")
                .append(what);
        for (Task task : tasks) {
            if (!task.done) {
                text.append("; ")
                        .append(task.name)
                        .append(" at ")
                        .append(task.blocker)
                        .append(", step ");
                text.append(task.stepCount);
            }
        }
        if (failure == null) {
            failure = new AssertionError(text.toString());
        }
        stopping = true;
    }
}
