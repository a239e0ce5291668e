package ramback.device;

/**
 * How a request ended. An enum and not an exception, because it is decided on the hot path and for other threads:
 * an export translates it to its protocol's error.
 */
public enum Outcome {
    /** Done, with the durability the request asked for and the mode promises. */
    DONE,
    /**
     * Not done yet: the request waits for a load, for room or for a commit. It comes back through
     * {@link DeviceSession#awaitDeferred()} under the token it was given. Never the final outcome of a request.
     */
    DEFERRED,
    /** The backing store failed for data that this request needs and RAM does not hold. */
    IO_ERROR,
    /** The range of a write lies beyond the end of the device, or memory for it ran out. */
    NO_SPACE,
    /** A change was asked of a read-only device. */
    READ_ONLY,
    /** The range of a read lies beyond the end of the device, or the request makes no sense. */
    INVALID,
    /** The device is stopping and takes no new requests. */
    SHUTTING_DOWN
}
