package ramback.control;

import org.jspecify.annotations.Nullable;
import ramback.engine.PowerStatus;

/**
 * How the device stands with its power.
 *
 * @param state none, online, on-battery, low-battery or unknown
 * @param source who says so, NAME@HOST[:PORT] or {@code hooks}; null if nobody does
 * @param sinceSeconds for how long the state has been this one
 * @param batteryRuntimeSeconds how long the battery would carry the machine, or null if nobody says
 * @param batteryChargePercent how full it is, 0 to 100, or null
 * @param toSaveBytes what would have to be written if the power went now
 * @param drainSeconds how long that would take, or null if that is not known
 * @param detail what the operator should know of it, or null
 */
public record PowerReport(
        String state,
        @Nullable String source,
        double sinceSeconds,
        @Nullable Double batteryRuntimeSeconds,
        @Nullable Double batteryChargePercent,
        long toSaveBytes,
        @Nullable Double drainSeconds,
        @Nullable String detail) {

    /** Nobody says anything of the power. */
    public static final PowerReport NONE = new PowerReport("none", null, 0, null, null, 0, null, null);

    /** Who says so, and what there is to be known of it; empty when nobody says anything. */
    String words() {
        String who = source == null ? "" : source + " says so";
        String what = detail == null ? "" : detail;
        return who + (who.isEmpty() || what.isEmpty() ? "" : ": ") + what;
    }

    static PowerReport of(PowerStatus power) {
        return new PowerReport(
                power.state(),
                power.source(),
                power.sinceSeconds(),
                power.batteryRuntimeSeconds(),
                power.batteryChargePercent(),
                power.toSaveBytes(),
                power.drainSeconds(),
                power.detail());
    }
}
