package ramback.traffic;

/**
 * One request that is being recorded, from when it was looked at until its answer has been sent. An interface, so that
 * the classes on a request's way name no class of the flight recorder, whose loading would cost every start.
 */
public interface RequestSpan {

    /**
     * The answer has been sent.
     *
     * @param error as the client was told
     * @param isDeferred whether it had to wait in the device
     * @param latencyNanos since the request was received
     */
    void end(int error, boolean isDeferred, long latencyNanos);
}
