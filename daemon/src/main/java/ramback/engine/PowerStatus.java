package ramback.engine;

import org.jspecify.annotations.Nullable;

/**
 * How a device stands with its power. Bytes and seconds.
 *
 * @param state none, online, on-battery, low-battery or unknown
 * @param source who says so, or null if nobody was named
 * @param sinceSeconds for how long it has been so
 * @param batteryRuntimeSeconds how long the battery would carry the machine, or null if nobody says
 * @param batteryChargePercent how full it is, 0 to 100, or null
 * @param toSaveBytes what would have to be written if the power went now
 * @param drainSeconds how long that would take, or null if no power is told of
 * @param detail what the operator should know of it, or null
 */
public record PowerStatus(
        String state,
        @Nullable String source,
        double sinceSeconds,
        @Nullable Double batteryRuntimeSeconds,
        @Nullable Double batteryChargePercent,
        long toSaveBytes,
        @Nullable Double drainSeconds,
        @Nullable String detail) {}
