package ramback.host;

import java.util.List;

/**
 * What the process got of what it asked the kernel for.
 *
 * @param ioFlusher whether its threads count as ones that carry out I/O for others (PR_SET_IO_FLUSHER)
 * @param oomScoreAdjust how much earlier (1000) or later (−1000) than by its size it is killed when memory runs out
 * @param warnings what was not to be had and matters, a line each
 */
public record Protection(boolean ioFlusher, int oomScoreAdjust, List<String> warnings) {}
