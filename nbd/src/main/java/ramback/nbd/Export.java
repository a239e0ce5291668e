package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import ramback.device.Device;
import ramback.protocol.Protocol;

/**
 * A device under a name by which clients ask for it. One device may have several.
 *
 * @param name 1 to 4,096 bytes of UTF-8 without NUL ("Conventions")
 * @param description for people, as {@code nbdinfo} shows it; may be empty, at most 4,096 bytes
 * @param device what is served
 * @param generation another one whenever the device came back without something that it had acknowledged: a client that asks for
 *     {@code NAME@GENERATION} and not just for {@code NAME} is refused then, instead of going on as if nothing had happened
 * @param isView whether clients only look at the device through it: every change is refused, whatever the device takes
 */
public record Export(String name, String description, Device device, long generation, boolean isView) {

    /** What the name of a view ends with. */
    private static final String VIEW_SUFFIX = "-ro";

    /** An export of the first generation. */
    public Export(String name, String description, Device device) {
        this(name, description, device, 0);
    }

    /** An export that takes what its device takes. */
    public Export(String name, String description, Device device, long generation) {
        this(name, description, device, generation, false);
    }

    /** Refuses what the specification's rules for strings do not allow. */
    public Export {
        if (name.isEmpty() || !isString(name) || !isString(description)) {
            throw new IllegalArgumentException("an export's name and description are strings of at most "
                    + Protocol.STRING_BYTES_MAX + " bytes without NUL, the name not empty: \"" + name + "\", \""
                    + description + "\"");
        }
    }

    /**
     * The same device, live, for clients that must not change it: {@code NAME-ro}. What one export's clients have written is what
     * the other's read, and a FLUSH covers both.
     */
    public Export view() {
        String viewDescription = (description + " (read-only, live)").strip();
        return new Export(name + VIEW_SUFFIX, viewDescription, device, generation, true);
    }

    /** Whether every change is refused. */
    boolean readOnly() {
        return isView || device.readOnly();
    }

    private static boolean isString(String text) {
        return text.indexOf('\0') < 0 && text.getBytes(UTF_8).length <= Protocol.STRING_BYTES_MAX;
    }
}
