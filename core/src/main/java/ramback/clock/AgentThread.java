package ramback.clock;

import java.util.concurrent.locks.LockSupport;

/** Runs an {@link Agent} on a platform thread of its own until it is stopped. */
public final class AgentThread {

    private static final System.Logger LOG = System.getLogger(AgentThread.class.getName());
    private static final long RETRY_NANOS = 100_000_000L;

    private final Agent agent;
    private final Clock clock;
    private final Signal signal;
    private final Thread thread;
    private volatile boolean stopping;

    private AgentThread(Agent agent, Clock clock, Signal signal) {
        this.agent = agent;
        this.clock = clock;
        this.signal = signal;
        this.thread = Thread.ofPlatform().name(agent.name()).daemon(true).unstarted(this::run);
    }

    /** Starts the agent. It is stepped when its own time comes and whenever the signal is raised. */
    public static AgentThread start(Agent agent, Clock clock, Signal signal) {
        AgentThread running = new AgentThread(agent, clock, signal);
        running.thread.start();
        return running;
    }

    private void run() {
        while (!stopping) {
            long deadlineNanos;
            try {
                deadlineNanos = agent.step();
            } catch (RuntimeException | Error e) {
                // A programmer's error in one step must not silently end write-behind: say so, and try again.
                LOG.log(System.Logger.Level.ERROR, "agent " + agent.name() + " failed and is stepped again", e);
                deadlineNanos = clock.nanoTime() + RETRY_NANOS;
            }
            if (deadlineNanos > clock.nanoTime()) {
                signal.await(deadlineNanos);
            }
        }
    }

    /** Whether the agent is still stepped: until it is stopped, unless even the report of a failed step failed. */
    public boolean isAlive() {
        return thread.isAlive();
    }

    /** Stops the agent after its current step and waits for that; never interrupts it. */
    public void stop() {
        boolean _ = stop(Long.MAX_VALUE);
    }

    /**
     * As above, for an agent that may never come to the end of its step, and which nobody needs.
     *
     * @param timeoutNanos how long to wait for that, in real time
     * @return whether it has ended
     */
    public boolean stop(long timeoutNanos) {
        stopping = true;
        boolean interrupted = false;
        long beginNanos = System.nanoTime();
        while (thread.isAlive() && System.nanoTime() - beginNanos < timeoutNanos) {
            signal.raise();
            LockSupport.unpark(thread);
            try {
                thread.join(10);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !thread.isAlive();
    }
}
