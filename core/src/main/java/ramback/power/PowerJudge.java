package ramback.power;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * What readings of a UPS and words of scripts mean. Knows nothing of sockets and threads: it is told, with the time, and asked.
 * Safe for use by many threads.
 *
 * <pre>
 *   FSD                        low-battery: the machine is about to be shut down
 *   OB, LB for five seconds    low-battery
 *   OB                         on-battery, whatever else is said: also a self-test discharges, and a line may fail within it
 *   OFF or BYPASS or neither   unknown: line power, perhaps, and no battery behind it
 *   OL                         online; with LB its battery is weak, with RB it is believed a quarter of what it says
 *   nothing for 15 s           unknown
 *   stale data at the server   unknown
 * </pre>
 *
 * Some UPSs say LB for a moment when the load goes over to the battery, or in a test of it (CAL), so it is not believed before it has
 * lasted. To be on battery is believed at once: it costs speed for as long as it lasts, and no more.
 */
public final class PowerJudge {

    /** After so long without a word nothing is known any more. */
    public static final long SILENCE_NANOS_MAX = 15_000_000_000L;

    /** LB for a shorter time is a false alarm: two polls of a driver, by default. */
    static final long LOW_NANOS_MIN = 5_000_000_000L;

    /** A battery that is to be replaced is believed this share of what it says. */
    private static final double DOUBTFUL_SHARE = 0.25;

    private static final double NANOS = 1e9;
    private static final String HOOKS = "hooks";

    private final @Nullable String upsName;
    private @Nullable UpsReading reading;
    private long heardNanos;
    private boolean isStale;
    private boolean isLow;
    private long lowNanos;
    private boolean isLowConfirmed;
    private @Nullable String problem;
    private @Nullable String loginProblem;
    private @Nullable PowerEvent event;
    private boolean wasUpsOnBattery;
    private PowerState state;
    private long sinceNanos;

    /**
     * Knows nothing yet.
     *
     * @param ups the UPS that will be heard, or null when scripts alone tell
     * @param nowNanos the time
     */
    public PowerJudge(@Nullable UpsAddress ups, long nowNanos) {
        this.upsName = ups == null ? null : ups.toString();
        this.heardNanos = nowNanos;
        this.sinceNanos = nowNanos;
        this.state = ups == null ? PowerState.NONE : PowerState.UNKNOWN;
    }

    /** The UPS has said something. */
    public synchronized void heard(UpsReading newReading, long nowNanos) {
        boolean wasLow = isLow;
        isLow = newReading.says("LB") && !newReading.says("CAL");
        if (!wasLow) {
            lowNanos = nowNanos;
        }
        isLowConfirmed = isLow && nowNanos - lowNanos >= LOW_NANOS_MIN;
        reading = newReading;
        heardNanos = nowNanos;
        isStale = false;
        problem = null;
    }

    /** The UPS could not be heard this time. */
    public synchronized void unheard(String why) {
        problem = why;
    }

    /** The server has not heard of the UPS for so long that it says so itself: nothing is known from now on. */
    synchronized void stale(String why) {
        problem = why;
        isStale = true;
    }

    /** The server knows us, or why it does not; the UPS is heard either way. */
    synchronized void loginRefused(@Nullable String why) {
        loginProblem = why;
    }

    /** A script has said something, which holds until it says something else. */
    public synchronized void told(PowerEvent newEvent) {
        event = newEvent;
        if (newEvent == PowerEvent.ON_LINE) {
            wasUpsOnBattery = false; // newer than the last that was heard of a UPS that is silent
        }
    }

    /** What is to be thought of it at this time; the worse one, where a UPS and a script do not agree. */
    public synchronized PowerView view(long nowNanos) {
        UpsReading last = reading;
        boolean isSilent = upsName != null && (last == null || isStale || nowNanos - heardNanos > SILENCE_NANOS_MAX);
        PowerState ups = upsState(last, isSilent);
        PowerState told = toldState();
        PowerState now = worse(ups, told);
        if (now != state) {
            state = now;
            sinceNanos = nowNanos;
        }
        if (last != null && !isSilent) {
            wasUpsOnBattery = ups == PowerState.ON_BATTERY || ups == PowerState.LOW_BATTERY;
        }
        UpsReading known = isSilent ? null : last;
        return new PowerView(
                now,
                sinceNanos,
                wasUpsOnBattery,
                known == null ? OptionalDouble.empty() : runtime(known, nowNanos),
                known == null ? OptionalDouble.empty() : known.chargePercent(),
                known == null ? OptionalDouble.empty() : known.runtimeLowSeconds(),
                known != null && isWeak(known),
                source(),
                detail(last, isSilent));
    }

    private static boolean isWeak(UpsReading last) {
        boolean saysNoTime = last.runtimeSeconds().isEmpty();
        return last.says("OL") && (last.says("LB") || (last.says("RB") && saysNoTime));
    }

    private @Nullable String source() {
        if (upsName == null) {
            return event == null ? null : HOOKS;
        }
        return event == null ? upsName : upsName + ", " + HOOKS;
    }

    private PowerState upsState(@Nullable UpsReading last, boolean isSilent) {
        if (upsName == null) {
            return PowerState.NONE;
        }
        if (last == null || isSilent) {
            return PowerState.UNKNOWN;
        }
        if (last.says("FSD")) {
            return PowerState.LOW_BATTERY;
        }
        if (last.says("OB")) {
            return isLowConfirmed ? PowerState.LOW_BATTERY : PowerState.ON_BATTERY;
        }
        boolean isBacked = last.says("OL") && !last.says("BYPASS") && !last.says("OFF");
        return isBacked ? PowerState.ONLINE : PowerState.UNKNOWN;
    }

    private PowerState toldState() {
        return switch (event) {
            case null -> PowerState.NONE;
            case ON_LINE -> PowerState.ONLINE;
            case ON_BATTERY -> PowerState.ON_BATTERY;
            case LOW -> PowerState.LOW_BATTERY;
        };
    }

    private static PowerState worse(PowerState one, PowerState other) {
        return gravity(one) >= gravity(other) ? one : other;
    }

    private static int gravity(PowerState state) {
        return switch (state) {
            case NONE -> 0;
            case ONLINE -> 1;
            case UNKNOWN -> 2;
            case ON_BATTERY -> 3;
            case LOW_BATTERY -> 4;
        };
    }

    /** What the battery says, less what has passed since if it is at work, and a part of it if it is to be replaced. */
    private OptionalDouble runtime(UpsReading last, long nowNanos) {
        if (last.runtimeSeconds().isEmpty()) {
            return OptionalDouble.empty();
        }
        double seconds = last.runtimeSeconds().getAsDouble();
        if (last.says("OB")) {
            seconds -= (nowNanos - heardNanos) / NANOS;
        }
        if (last.says("RB")) {
            seconds *= DOUBTFUL_SHARE;
        }
        return OptionalDouble.of(Math.max(0, seconds));
    }

    private @Nullable String detail(@Nullable UpsReading last, boolean isSilent) {
        List<String> all = new ArrayList<>();
        if (upsName != null && (last == null || isSilent)) {
            all.add(problem == null ? "not heard yet" : "not heard: " + problem);
        } else if (problem != null) {
            all.add("not heard this time: " + problem);
        }
        if (last != null && !isSilent) {
            explain(last, all);
        }
        if (loginProblem != null) {
            all.add("not logged in: " + loginProblem);
        }
        if (event != null) {
            all.add("a script said " + event.word());
        }
        return all.isEmpty() ? null : String.join("; ", all);
    }

    private static void explain(UpsReading last, List<String> all) {
        if (last.says("FSD")) {
            all.add("a shutdown is announced");
        }
        if (last.says("RB")) {
            all.add(
                    last.runtimeSeconds().isEmpty()
                            ? "the battery is to be replaced"
                            : "the battery is to be replaced: a quarter of its runtime is counted on");
        }
        if (last.says("LB")) {
            all.add("the battery is low");
        }
        if (last.says("CAL") || last.says("TEST")) {
            all.add("it tests its battery");
        }
        if (last.says("BYPASS")) {
            all.add("it is bypassed, so no battery is behind the line");
        }
        if (last.says("OFF")) {
            all.add("it is switched off");
        }
        if (last.says("OVER")) {
            all.add("it is overloaded");
        }
        if (!last.says("OL") && !last.says("OB") && !last.says("FSD")) {
            all.add("it says neither OL nor OB");
        }
    }
}
