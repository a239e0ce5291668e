package ramback.control;

import java.util.Locale;
import ramback.engine.DeviceState;
import ramback.engine.DeviceStatus;

/** The light beside a device: whether everything is as it should be. */
public enum Light {
    /** Fully loaded, mode as configured, loss within its limit. */
    GREEN,
    /** Loading, flushing, throttling, stopping, in another mode than configured, on battery, or the UPS is not heard. */
    AMBER,
    /** The image or the journal fails, does not answer, or is not what it was. */
    RED;

    static Light of(DeviceStatus device) {
        // Also while it stops, which is a state of its own.
        if (device.state() == DeviceState.DEGRADED || device.backingFailing() != null) {
            return RED;
        }
        return device.greenLight() ? GREEN : AMBER;
    }

    /** The word in the JSON and beside the dot. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
