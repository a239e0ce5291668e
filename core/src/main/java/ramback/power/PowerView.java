package ramback.power;

import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * How the power stands, as far as it is known.
 *
 * @param state the state
 * @param sinceNanos since when it has been that, a time of the clock
 * @param wasOnBattery in {@link PowerState#UNKNOWN}: whether the last that was heard was of a battery at work
 * @param runtimeSeconds for how long the battery would carry the machine from now on, as far as it can be relied on
 * @param chargePercent how full it is
 * @param lowSeconds at which runtime the UPS counts as low, and machines are shut down, as far as it says
 * @param isBatteryWeak whether there is a line, and a battery that can't be relied on for anything: it is low, or is to be replaced and
 *     does not say how long it lasts
 * @param source who says so, or null if nobody was named
 * @param detail what people should know of it, or null
 */
public record PowerView(
        PowerState state,
        long sinceNanos,
        boolean wasOnBattery,
        OptionalDouble runtimeSeconds,
        OptionalDouble chargePercent,
        OptionalDouble lowSeconds,
        boolean isBatteryWeak,
        @Nullable String source,
        @Nullable String detail) {

    /** Nobody says anything, ever. */
    public static final PowerView NONE = new PowerView(
            PowerState.NONE,
            0,
            false,
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            false,
            null,
            null);

    /** Whether a battery carries the machine, or may. */
    public boolean isOnBattery() {
        return state == PowerState.ON_BATTERY
                || state == PowerState.LOW_BATTERY
                || (state == PowerState.UNKNOWN && wasOnBattery);
    }
}
