/**
 * The deterministic simulation and the crash explorer. A whole device, or its journal alone, runs on one thread at a time
 * under a clock, two disks and a chance of our own ({@link ramback.sim.Scheduler}, {@link ramback.sim.SimDisk}), all from
 * one seed; what it does to the disks is recorded ({@link ramback.sim.Recording}). Then the power fails at every moment of
 * the recording, with every kind of subset of what no sync had covered ({@link ramback.sim.CrashExplorer}); the real recovery
 * runs on what is left, and an oracle that knows what every client wrote, when, and what it was promised
 * ({@link ramback.sim.Oracle}) judges the image. Enter at {@link ramback.sim.Campaign}.
 */
@NullMarked
package ramback.sim;

import org.jspecify.annotations.NullMarked;
