package ramback.engine;

import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.power.PowerEvent;

/**
 * What people and scripts have told a device, and what holds until they tell it something else: nobody repeats it for a process that goes
 * on in the place of one that was killed, or upgraded.
 *
 * @param power what a power management script said last, or null
 * @param mode the mode that somebody chose, or null
 */
public record Orders(@Nullable PowerEvent power, @Nullable Mode mode) {

    /** Nobody has said anything. */
    public static final Orders NONE = new Orders(null, null);

    /** Where they are kept. Safe for use by many threads. */
    public interface Keeper {

        /** What the process before was told, if this one goes on in its place. */
        Orders left();

        /** Keeps them; a failure is reported, and costs no more than that the next process does not know. */
        void keep(Orders orders);
    }
}
