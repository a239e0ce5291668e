package ramback.engine;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.power.DrainBudget;
import ramback.power.PowerEvent;
import ramback.power.PowerJudge;
import ramback.power.PowerPolicy;
import ramback.power.PowerState;
import ramback.power.PowerView;
import ramback.power.UpsAddress;
import ramback.power.UpsCredentials;
import ramback.power.UpsWatch;
import ramback.writeback.WriteBehind;

/**
 * Carries out what {@link PowerPolicy} decides, for as long as a device runs: looks once a second, and at once when there is news.
 * Its thread, {@code power}, never waits for a disk: modes are switched by another, {@code power-mode}, which is called off when
 * the mode that is wanted changes meanwhile. Safe for use by many threads.
 */
final class PowerControl {

    private static final System.Logger LOG = System.getLogger(PowerControl.class.getName());
    private static final long PERIOD_NANOS = 1_000_000_000L;
    private static final long RETRY_NANOS = 1_000_000_000L;

    /** Four measurements in a quarter of an hour: what is older than an hour then counts no more. */
    private static final long MEASURE_NANOS = 900_000_000_000L;

    private static final Duration LOOK = Duration.ofMillis(50);

    /** Switches modes. */
    interface Modes {

        /** Whether the mode is in force, and nothing is half switched. */
        boolean isIn(Mode mode);

        /**
         * Switches to whatever mode is wanted when its turn has come; returns when that is in force.
         *
         * @throws Refusal when it can't be; what is in force then stays
         */
        void converge() throws Refusal, InterruptedException;
    }

    private final PowerPolicy policy;
    private final PowerJudge judge;
    private final WriteBehind writeBehind;
    private final Clock clock;
    private final Modes modes;
    private final String deviceName;
    private final @Nullable UpsAddress ups;
    private final UpsCredentials credentials;
    private final Signal news;
    private final Signal turn;
    private final Thread thread;
    private final Thread modeThread;
    private final AtomicReference<@Nullable Mode> chosen = new AtomicReference<>();
    private final Object calling = new Object();
    private final Orders.Keeper orders;
    /** What a script said last. */
    private volatile @Nullable PowerEvent event;

    private volatile @Nullable UpsWatch watch;
    private volatile boolean isSettled;
    private volatile boolean isStopped;
    private volatile long measuredNanos;
    private volatile PowerView view;
    private volatile PowerPolicy.Decision decision;
    /** While {@code power-mode} switches: to what; null otherwise. Guarded by {@link #calling}. */
    private @Nullable Mode underWay;

    PowerControl(
            String deviceName,
            PowerOptions options,
            PowerPolicy policy,
            WriteBehind writeBehind,
            Clock clock,
            Orders left,
            Orders.Keeper orders,
            Modes modes) {
        this.deviceName = deviceName;
        this.policy = policy;
        this.writeBehind = writeBehind;
        this.clock = clock;
        this.modes = modes;
        this.news = new Signal(clock);
        this.turn = new Signal(clock);
        this.ups = options.ups();
        this.credentials = options.credentials();
        this.judge = new PowerJudge(ups, clock.nanoTime());
        this.orders = orders;
        this.event = left.power();
        if (event != null) {
            judge.told(event);
        }
        chosen.set(left.mode());
        this.view = judge.view(clock.nanoTime());
        this.decision = policy.decide(view, left.mode(), writeBehind.throttle().floorBytesPerSecond());
        this.thread = Thread.ofPlatform().daemon().name("power").unstarted(this::run);
        this.modeThread = Thread.ofPlatform().daemon().name("power-mode").unstarted(this::switchModes);
    }

    void start() {
        UpsAddress heard = ups;
        if (heard != null) {
            watch = UpsWatch.start(heard, credentials, judge, clock, news::raise);
            measure();
        }
        thread.start();
        modeThread.start();
    }

    /** Whether its threads are there, once they have been started. */
    boolean isAlive() {
        return isStopped || (thread.isAlive() && (isSettled || modeThread.isAlive()));
    }

    /**
     * Decides nothing any more; what is in force stays so, but the image is not held. Returns when nobody switches a mode on its behalf.
     * The UPS is heard on: whoever is logged in there is waited for.
     */
    void settle() {
        isSettled = true;
        turn.raise();
        awaitEnd(modeThread, true);
        synchronized (this) {
            writeBehind.holdApplying(false);
        }
    }

    /** Ends it, settled or not. */
    void stop() {
        settle();
        isStopped = true;
        UpsWatch heard = watch;
        if (heard != null) {
            heard.close();
        }
        news.raise();
        awaitEnd(thread, false);
    }

    private static void awaitEnd(Thread thread, boolean interrupts) {
        boolean wasInterrupted = false;
        while (thread.isAlive()) {
            if (interrupts) {
                thread.interrupt();
            }
            try {
                thread.join(LOOK);
            } catch (InterruptedException e) {
                wasInterrupted = true;
            }
        }
        if (wasInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ------------------------------------------------------------------------------------------------------ told

    /** A power management script says something. */
    void told(PowerEvent newEvent) {
        judge.told(newEvent);
        event = newEvent;
        keepOrders();
        if (ups == null && measuredNanos == 0) {
            measure();
        }
        evaluate();
    }

    private void keepOrders() {
        synchronized (orders) {
            orders.keep(new Orders(event, chosen.get()));
        }
    }

    /** The journal's rate grows old: it is measured again now and then, while nothing is known to speak against it. */
    private void measure() {
        measuredNanos = clock.nanoTime();
        writeBehind.measureJournal();
    }

    /**
     * Somebody chooses a mode, or null for what the power and the configuration make of it. A switch to another one that is under way is
     * called off; whoever chose goes on to {@linkplain Modes#converge switch} himself.
     *
     * @return what was chosen before
     */
    @Nullable
    Mode choose(@Nullable Mode mode) {
        Mode before = chosen.getAndSet(mode);
        synchronized (this) {
            decide(judge.view(clock.nanoTime()));
        }
        callOff(wanted());
        keepOrders();
        return before;
    }

    /** Takes a choice back that could not be carried out, unless somebody has chosen again. */
    void unchoose(Mode mode, @Nullable Mode before) {
        if (chosen.compareAndSet(mode, before)) {
            synchronized (this) {
                decide(judge.view(clock.nanoTime()));
            }
            turn.raise();
            keepOrders();
        }
    }

    /** Whether somebody has chosen the mode. */
    boolean isChosen() {
        return chosen.get() != null;
    }

    /** The mode to be in now. */
    Mode wanted() {
        return decision.mode();
    }

    // ------------------------------------------------------------------------------------------------------ status

    PowerView view() {
        return view;
    }

    /** Why the mode is not as configured, or null. */
    @Nullable
    String reason() {
        return decision.reason();
    }

    /** How long it would take to save so many bytes, or empty when nobody says anything of the power. */
    @Nullable
    Double drainSeconds(long toSaveBytes) {
        return view.state() == PowerState.NONE
                ? null
                : DrainBudget.drainSeconds(toSaveBytes, writeBehind.throttle().typicalBytesPerSecond());
    }

    // ------------------------------------------------------------------------------------------------------ decide

    private void run() {
        while (!isStopped) {
            try {
                look();
            } catch (RuntimeException e) {
                // A programmer's error: the next look may be right again, and nobody else takes them.
                LOG.log(System.Logger.Level.ERROR, deviceName + ": the power could not be judged", e);
            }
            // Without a UPS nothing changes but by who comes here himself.
            news.await(ups == null ? Clock.NEVER : clock.nanoTime() + PERIOD_NANOS);
        }
    }

    private void look() {
        evaluate();
        UpsWatch heard = watch;
        if (heard != null) {
            // In writethrough it stays so, whoever writes.
            heard.noteSaved(modes.isIn(Mode.WRITETHROUGH) && writeBehind.isEverythingDurable());
            if (view.state() == PowerState.ONLINE && clock.nanoTime() - measuredNanos >= MEASURE_NANOS) {
                measure();
            }
        }
    }

    private synchronized void evaluate() {
        PowerView now = judge.view(clock.nanoTime());
        if (isSettled) {
            view = now;
            return;
        }
        PowerPolicy.Decision decided = decide(now);
        callOff(decided.mode());
        if (!modes.isIn(decided.mode())) {
            turn.raise();
        }
    }

    private PowerPolicy.Decision decide(PowerView now) {
        view = now;
        PowerPolicy.Decision decided =
                policy.decide(now, chosen.get(), writeBehind.throttle().floorBytesPerSecond());
        decision = decided;
        writeBehind.throttle().setLimit(decided.limitBytes());
        writeBehind.holdApplying(decided.holdsApplying());
        return decided;
    }

    /** Ends a switch to another mode than the one that is wanted, if one is under way. */
    private void callOff(Mode wanted) {
        synchronized (calling) {
            if (underWay != null && underWay != wanted) {
                modeThread.interrupt();
            }
        }
    }

    private void switchModes() {
        String lastWords = "";
        while (!isSettled) {
            Mode wanted = decision.mode();
            if (modes.isIn(wanted)) {
                lastWords = "";
                turn.await(Clock.NEVER);
                continue;
            }
            begin(wanted);
            try {
                modes.converge();
            } catch (Refusal e) {
                lastWords = warn(e, lastWords);
                end();
                turn.await(clock.nanoTime() + RETRY_NANOS);
            } catch (RuntimeException e) {
                LOG.log(System.Logger.Level.ERROR, deviceName + ": the mode could not be switched", e);
                end();
                turn.await(clock.nanoTime() + RETRY_NANOS);
            } catch (InterruptedException e) {
                // Another mode is wanted now, or the device stops.
            } finally {
                end();
            }
        }
    }

    /** Once for each reason: it is tried each second. */
    private String warn(Refusal refusal, String lastWords) {
        String words = Objects.requireNonNullElse(refusal.getMessage(), "");
        if (!words.equals(lastWords)) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "{0}: the power wants another mode; tries again: {1}",
                    deviceName,
                    words);
        }
        return words;
    }

    private void begin(Mode wanted) {
        synchronized (calling) {
            underWay = wanted;
        }
    }

    private void end() {
        synchronized (calling) {
            underWay = null;
            // What was meant for the switch must not end what comes next.
            boolean _ = Thread.interrupted();
        }
    }
}
