package ramback.control;

/** How somebody asks a running device to end. */
public sealed interface Ending {

    /**
     * A clean stop.
     *
     * @param keepsMemory whether the memory is left for the next start, which then loads nothing
     */
    record Stop(boolean keepsMemory) implements Ending {}

    /**
     * The process goes on as another program, which takes the device over.
     *
     * @param launcher the program, absolute; called as this one was
     * @param layoutVersion of the memory that it can take over; with another one it starts after a clean stop
     */
    record HandOver(String launcher, int layoutVersion) implements Ending {}
}
