package ramback.engine;

import org.jspecify.annotations.Nullable;
import ramback.power.UpsAddress;
import ramback.power.UpsCredentials;

/**
 * Who tells a device of its power.
 *
 * @param ups the UPS to ask, or null: then only power management scripts tell
 * @param credentials for the server that knows it
 */
public record PowerOptions(@Nullable UpsAddress ups, UpsCredentials credentials) {

    /** Nobody but scripts. */
    public static final PowerOptions NONE = new PowerOptions(null, UpsCredentials.NONE);
}
