package ramback.clock;

/**
 * A named loop. {@link #step()} does what there is to do and says when it wants to be called again; a thread
 * ({@link AgentThread}) or a simulation calls it.
 */
public interface Agent {

    /** The name of the agent's thread. */
    String name();

    /**
     * Does what there is to do now, without waiting for anything but the medium it works on.
     *
     * @return the latest time of the clock at which to be called again: a past time for "at once",
     *     {@link Clock#NEVER} for "when signalled"
     */
    long step();
}
