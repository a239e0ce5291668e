package ramback.control;

import java.util.List;

/**
 * How the daemon's process stands on its machine.
 *
 * @param ioFlusher whether its threads are ones that the kernel lets carry out I/O for others when memory is short
 * @param memoryLocked how much of the device's memory can't be swapped out: all, states or none
 * @param oomScoreAdjust how much earlier (1000) or later (−1000) than by its size it is killed when memory runs out
 * @param warnings what threatens it or the device's memory, a line each
 */
public record ProcessReport(boolean ioFlusher, String memoryLocked, int oomScoreAdjust, List<String> warnings) {}
