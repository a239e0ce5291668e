package ramback.control;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import ramback.attach.Via;
import ramback.device.Mode;
import ramback.engine.DeviceMap;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.power.PowerEvent;
import ramback.traffic.RequestLatencies;

/** What can be asked of a running device over its control socket. Safe for use by many threads. */
interface DeviceControl {

    /** Everything {@code status} shows, now. */
    StatusReport status() throws Refusal;

    /** How long its requests have taken so far. */
    RequestLatencies latencies() throws Refusal;

    /**
     * A picture of all chunks, now.
     *
     * @param cellCountMax how many cells it may have, 1 to {@link DeviceMap#CELL_COUNT_MAX}
     */
    DeviceMap map(int cellCountMax) throws Refusal;

    /** Switches the mode; returns when it is in force, however long that takes. */
    void switchMode(Mode mode) throws Refusal, InterruptedException;

    /** Goes back to the mode that {@code up} was given. */
    void switchModeToAuto() throws Refusal, InterruptedException;

    /** A power management script says how the power is; returns at once. */
    void tellPower(PowerEvent event) throws Refusal;

    /** Carries everything dirty to the image; returns when it is durable there, however long that takes. */
    void flush() throws Refusal, InterruptedException;

    /** Switches the trace on or off. */
    void trace(boolean on) throws Refusal;

    /**
     * Writes the newest trace events to a new file: as text, or as a recording of the JDK's flight recorder if its name ends with
     * {@code .jfr}.
     *
     * @param file absolute
     * @return how many, or how many bytes the recording has
     */
    long dumpTrace(Path file) throws Refusal;

    /**
     * Takes a snapshot; returns when it is durable, however long that takes.
     *
     * @param file absolute and new
     * @return how many bytes were written to it
     */
    long snapshot(Path file) throws Refusal, InterruptedException;

    /**
     * Compares RAM with the image; returns when that is done and what was repaired is durable, however long that takes.
     *
     * @param repair which side is right where they differ
     * @param bytesPerSecond how fast the image is read at most, more than 0
     */
    VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond) throws Refusal, InterruptedException;

    /**
     * Attaches the device to this machine, or finds it attached in that way; what the daemon can do of it.
     *
     * @param connectionCount over how many connections, 1 to 16; of nbd alone
     * @param mountNamespace of who asks, as {@code /proc/self/ns/mnt} has it
     * @return the block device, or with FUSE the file
     */
    Path attach(Via via, int connectionCount, String mountNamespace) throws Refusal;

    /**
     * Takes it away again, after whoever asks has unmounted and released it.
     *
     * @return whether it was attached
     */
    boolean detach() throws Refusal;

    /**
     * Asks for the end and returns at once.
     *
     * @throws Refusal when that would lose the device
     */
    void end(Ending ending) throws Refusal;

    /**
     * Waits until the device has stopped, however long that takes.
     *
     * @return what its stop leaves for the operator to do, or null when nothing
     * @throws Refusal when it ended without a stop
     */
    @Nullable
    String awaitStop() throws Refusal, InterruptedException;
}
