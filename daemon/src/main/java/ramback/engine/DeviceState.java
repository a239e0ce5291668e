package ramback.engine;

import java.util.Locale;

/** What a device is busy with, as {@code status} shows it. */
public enum DeviceState {
    /** Serving, and still loading the image. */
    LOADING,
    /** Serving, fully loaded. */
    READY,
    /** Serving, and carrying everything dirty to the image because somebody asked. */
    FLUSHING,
    /** Serving what it can; the backing store fails. */
    DEGRADED,
    /** Flushing for the last time; takes no new requests. */
    STOPPING;

    /** The word in {@code status --json}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
