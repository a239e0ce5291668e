package ramback.host;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.clock.Signal;

/**
 * Tells the service manager that started the process, if one did, how it is: ready, one line of status, still working on its
 * start or its end, still alive, stopping (sd_notify(3)). Safe for use by many threads.
 *
 * <p>All of that is told by a thread of its own: a manager that does not read holds up nothing, and a process in which
 * {@link Source#pulse} hangs is not called alive.
 *
 * <p>What counts as alive is the {@link Source}'s to say. It must not be "the disk answers": nobody's restart mends a
 * disk, and what can be served from memory would not be served meanwhile.
 */
public final class ServiceReports implements AutoCloseable {

    /**
     * How the process is.
     *
     * @param status one line for people; what is in it is told when it changes
     * @param progress changes whenever some of the work of a start or a stop is done
     * @param isAlive whether nothing is wrong that only a restart can mend
     */
    public record Pulse(String status, long progress, boolean isAlive) {}

    /** Who knows how the process is. */
    @FunctionalInterface
    public interface Source {
        /** How it is now. Asked once a second, on a thread that nothing else waits for. */
        Pulse pulse();
    }

    /** Who is told. */
    interface Manager extends AutoCloseable {
        /** Tells all of these, {@code NAME=value} each, at once. */
        void tell(List<String> assignments);

        @Override
        void close();
    }

    /** How long a start or a stop may go on without doing any of its work, once it is over its time limit. */
    static final long PATIENCE_MICROS = 15L * 60 * 1_000_000;

    /** A message of more than 4,096 bytes is not taken. */
    private static final int STATUS_CHARACTERS_MAX = 800;

    static final long LOOK_NANOS = 1_000_000_000L;
    /** The last words are what keeps the watchdog from barking at a successor; only a manager that reads nothing takes so long. */
    private static final long CLOSE_MILLIS_MAX = 5_000;

    private static final long NANOS_PER_MICRO = 1_000;

    private static final Logger LOG = System.getLogger(ServiceReports.class.getName());

    private enum Phase {
        STARTING,
        SERVING,
        STOPPING
    }

    private final @Nullable Manager manager;
    private final Clock clock;
    private final Signal signal;
    private final long pid;
    /** What the manager waits for, or 0. */
    private final long watchdogMicros;
    /** Half of that, or {@link Clock#NEVER}. */
    private final long keepAliveNanos;

    private final @Nullable Thread thread;

    private volatile Phase phase = Phase.STARTING;
    private volatile Source source = () -> new Pulse("starting", 0, true);
    private volatile boolean isClosed;
    private volatile boolean hasSuccessor;

    // Of the thread alone.
    private Phase toldPhase = Phase.STARTING;
    private String toldStatus = "";
    private long seenProgress;
    private long lookDueNanos;
    private long keepAliveDueNanos;
    private boolean wasAlive = true;

    /** For tests: nothing runs by itself, {@link #step} does it. */
    ServiceReports(@Nullable Manager manager, Clock clock, Map<String, String> environment, long pid) {
        this(manager, clock, environment, pid, false);
    }

    private ServiceReports(
            @Nullable Manager manager, Clock clock, Map<String, String> environment, long pid, boolean isThreaded) {
        this.manager = manager;
        this.clock = clock;
        this.signal = new Signal(clock);
        this.pid = pid;
        this.watchdogMicros = watchdogMicros(environment, pid);
        this.keepAliveNanos = watchdogMicros > 0 ? Math.max(1, watchdogMicros / 2) * NANOS_PER_MICRO : Clock.NEVER;
        this.thread = manager != null && isThreaded
                ? Thread.ofPlatform().daemon().name("service").unstarted(this::run)
                : null;
    }

    /** Begins to tell what {@code NOTIFY_SOCKET} names; where it names nothing, nothing is told. */
    public static ServiceReports start(Map<String, String> environment) {
        String socket = environment.getOrDefault("NOTIFY_SOCKET", "");
        ServiceReports reports = new ServiceReports(
                socket.isEmpty() ? null : NotifySocket.open(socket),
                Clock.SYSTEM,
                environment,
                ProcessHandle.current().pid(),
                true);
        if (reports.thread != null) {
            reports.thread.start();
        }
        return reports;
    }

    /** In which time the manager wants to hear from this process; 0 where it does not. */
    private static long watchdogMicros(Map<String, String> environment, long pid) {
        try {
            String whose = environment.getOrDefault("WATCHDOG_PID", "");
            long micros = Long.parseLong(environment.getOrDefault("WATCHDOG_USEC", "0"));
            boolean isOurs = whose.isEmpty() || Long.parseLong(whose) == pid;
            return isOurs ? Math.max(0, micros) : 0;
        } catch (NumberFormatException e) {
            LOG.log(Level.WARNING, "WATCHDOG_USEC or WATCHDOG_PID is not a number; the watchdog is not answered");
            return 0;
        }
    }

    // ---------------------------------------------------------------------------------------------- what is the case

    /** The start has come so far. Cheap, may be called often. */
    public void starting(String status, long progress) {
        Pulse pulse = new Pulse(status, progress, true);
        source = () -> pulse;
    }

    /** The process serves, from now on. */
    public void serving(Source how) {
        source = how;
        phase = Phase.SERVING;
        signal.raise();
    }

    /** The process has begun to stop. */
    public void stopping() {
        phase = Phase.STOPPING;
        signal.raise();
    }

    /** The last that is to be said, before {@link #close}. */
    public void ending(String status) {
        Pulse pulse = new Pulse(status, 0, true);
        source = () -> pulse;
    }

    /**
     * As {@link #close}, before another program takes this process over: until that serves, the watchdog waits as long as a
     * start may take. To the manager it is no start, and on a slow machine it takes longer than the watchdog's time.
     */
    public void closeForSuccessor() {
        hasSuccessor = true;
        close();
    }

    /** Tells the last, and nothing after; waits for a manager that does not read for a second at most. */
    @Override
    public void close() {
        isClosed = true;
        signal.raise();
        if (thread == null) {
            return;
        }
        try {
            thread.join(CLOSE_MILLIS_MAX);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---------------------------------------------------------------------------------------------- the telling

    private void run() {
        Manager told = manager;
        if (told == null) {
            return;
        }
        while (!isClosed) {
            signal.await(step());
        }
        last();
        told.close();
    }

    /** Tells all of it once more. */
    void last() {
        lookDueNanos = 0;
        keepAliveDueNanos = 0;
        step();
    }

    /** Tells what is due now, and returns when something will be. */
    long step() {
        long now = clock.nanoTime();
        List<String> assignments = new ArrayList<>();
        Phase current = phase;
        boolean isNewPhase = current != toldPhase;
        if (isNewPhase) {
            toldPhase = current;
            if (current == Phase.SERVING) {
                assignments.add("READY=1");
                assignments.add("MAINPID=" + pid);
                if (watchdogMicros > 0) {
                    // The program before may have asked for more.
                    assignments.add("WATCHDOG_USEC=" + watchdogMicros);
                }
            } else if (current == Phase.STOPPING) {
                assignments.add("STOPPING=1");
                assignments.add("EXTEND_TIMEOUT_USEC=" + PATIENCE_MICROS);
            }
        }
        boolean isKeepAliveDue = now >= keepAliveDueNanos;
        if (isNewPhase || isKeepAliveDue || now >= lookDueNanos) {
            // Asked here, not on a thread of its own: one that hangs keeps us from calling the process alive.
            Pulse pulse = pulse();
            if (isNewPhase || now >= lookDueNanos) {
                lookDueNanos = now + LOOK_NANOS;
                look(pulse, current != Phase.SERVING && !isNewPhase, assignments);
            }
            if (isKeepAliveDue && keepAliveNanos != Clock.NEVER && pulse.isAlive()) {
                assignments.add("WATCHDOG=1");
                if (hasSuccessor) {
                    assignments.add("WATCHDOG_USEC=" + PATIENCE_MICROS);
                }
                keepAliveDueNanos = now + keepAliveNanos;
            }
            complainOnce(pulse);
        }
        if (manager != null && !assignments.isEmpty()) {
            manager.tell(assignments);
        }
        return keepAliveNanos == Clock.NEVER || keepAliveDueNanos <= now
                ? lookDueNanos
                : Math.min(lookDueNanos, keepAliveDueNanos);
    }

    private void look(Pulse pulse, boolean isTimed, List<String> assignments) {
        if (isTimed && pulse.progress() != seenProgress) {
            assignments.add("EXTEND_TIMEOUT_USEC=" + PATIENCE_MICROS);
        }
        seenProgress = pulse.progress();
        String status = line(pulse.status());
        if (!status.equals(toldStatus)) {
            toldStatus = status;
            assignments.add("STATUS=" + status);
        }
    }

    private Pulse pulse() {
        try {
            return source.pulse();
        } catch (RuntimeException e) {
            return new Pulse("internal error: " + e, 0, false);
        }
    }

    private void complainOnce(Pulse pulse) {
        if (!pulse.isAlive() && wasAlive && keepAliveNanos != Clock.NEVER) {
            LOG.log(Level.ERROR, "no longer alive ({0}): the watchdog is not answered any more", pulse.status());
        }
        wasAlive = pulse.isAlive();
    }

    /** An assignment ends with its line, so a status is one. */
    private static String line(String text) {
        String line = text.strip().replaceAll("\\s*[\\p{Cntrl}]\\s*", " ");
        return line.length() <= STATUS_CHARACTERS_MAX ? line : line.substring(0, STATUS_CHARACTERS_MAX - 1) + "…";
    }
}
