package ramback.control;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Why the light has the colour that it has, in a few words. */
final class LightReason {

    private LightReason() {}

    static String of(StatusReport now) {
        List<String> reasons = new ArrayList<>();
        if (now.backingFailing() != null) {
            reasons.add(now.backingFailing());
        }
        switch (now.state()) {
            case "loading" -> reasons.add("loading, " + percent(now.loadedChunks(), now.chunks()) + " in memory");
            case "flushing" -> reasons.add("flushing everything to the image");
            case "stopping" -> reasons.add("stopping");
            default -> {}
        }
        if (!now.mode().equals(now.configuredMode())) {
            reasons.add("in " + now.mode() + ", configured is " + now.configuredMode());
        }
        if (now.throttling()) {
            reasons.add("writers are slowed down");
        }
        if (now.mode().equals("checkpoint") && now.lossSeconds() > now.intervalSeconds()) {
            reasons.add(String.format(
                    Locale.ROOT,
                    "the image lags %.1f s, beyond the interval of %.1f s",
                    now.lossSeconds(),
                    now.intervalSeconds()));
        }
        switch (now.power().state()) {
            case "on-battery" -> reasons.add("on battery");
            case "low-battery" -> reasons.add("the battery is low");
            case "unknown" -> reasons.add("the power source is not heard");
            default -> {}
        }
        if (reasons.isEmpty()) {
            return now.greenLight() ? "loaded, mode as configured, loss within its limit" : now.state();
        }
        return String.join("; ", reasons);
    }

    private static String percent(long part, long whole) {
        return whole <= 0 ? "100 %" : Math.floorDiv(100 * part, whole) + " %";
    }
}
