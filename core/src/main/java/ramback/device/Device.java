package ramback.device;

/**
 * A disk: a fixed number of bytes that many sessions read and write at once. Any byte range is a valid request;
 * {@link #chunkBytes()} is only what works best. Safe for use by many threads.
 */
public interface Device {

    /** The longest read or write, in bytes: 32 MiB, the largest payload of the NBD specification ("Size constraints"). */
    int PAYLOAD_BYTES_MAX = 32 << 20;

    /** The device's name: 1 to 64 characters of {@code [a-z0-9._-]}. */
    String name();

    /** The device's size in bytes, at least 1; it does not change while the device runs. */
    long sizeBytes();

    /** The size of a chunk in bytes, a power of two from 4 KiB to 1 MiB; the last chunk may be shorter. */
    int chunkBytes();

    /** Returns whether every change is refused with {@link Outcome#READ_ONLY}. */
    boolean readOnly();

    /** The greatest number of sessions that may be open at once. */
    int sessionCountMax();

    /**
     * Opens a session, the handle of one client connection.
     *
     * @throws TooManySessionsException when {@link #sessionCountMax()} sessions are open
     * @throws IllegalStateException when the device is stopping
     */
    DeviceSession openSession() throws TooManySessionsException;
}
