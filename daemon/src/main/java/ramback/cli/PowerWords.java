package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import ramback.control.PowerReport;

/** What people read of a device's power. */
final class PowerWords {

    private PowerWords() {}

    /** Nothing where nobody says anything of the power; else who says what, and what it would cost if it went now. */
    static List<String> lines(PowerReport power) {
        if (power.state().equals("none") || power.state().isEmpty()) {
            return List.of();
        }
        List<String> lines = new ArrayList<>();
        lines.add(power.state() + " for " + Quantities.ofSeconds(power.sinceSeconds())
                + (power.batteryChargePercent() == null
                        ? ""
                        : String.format(Locale.ROOT, ", battery %.0f %%", power.batteryChargePercent()))
                + (power.source() == null ? "" : ", says " + power.source())
                + (power.detail() == null ? "" : ": " + power.detail()));
        lines.add("power gone now: " + Quantities.ofBytes(power.toSaveBytes()) + " to save, "
                + (power.drainSeconds() == null ? "? s" : seconds(power.drainSeconds()))
                + (power.batteryRuntimeSeconds() == null
                        ? ", battery unknown"
                        : " of " + seconds(power.batteryRuntimeSeconds()) + " battery"));
        return lines;
    }

    /** In seconds alone, however many: two such numbers are there to be held against each other. */
    private static String seconds(double seconds) {
        return String.format(Locale.ROOT, seconds < 100 ? "%.1f s" : "%.0f s", seconds);
    }
}
