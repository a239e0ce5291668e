package ramback.control;

import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What the daemon's process takes, from {@code /proc/self} (proc(5)) and from the JVM: for the metrics that every program has under
 * the same names. What can't be read is NaN, and left out.
 *
 * @param cpuSeconds processor time, in user and in system mode
 * @param startSeconds when it was started, since 1970
 * @param residentBytes what of it is in memory, the device's memory included
 * @param openFiles how many file descriptors it has
 * @param maxFiles how many it may have
 * @param threads how many threads it has
 * @param heapBytes what of the Java heap is in use
 * @param collectors what its garbage collectors have done
 */
record ProcessMetrics(
        double cpuSeconds,
        double startSeconds,
        double residentBytes,
        double virtualBytes,
        double openFiles,
        double maxFiles,
        double threads,
        double heapBytes,
        double heapMaxBytes,
        List<Collector> collectors) {

    /** One garbage collector. */
    record Collector(String name, long count, double seconds) {}

    /** Of all Linux that Java runs on: USER_HZ. */
    private static final double TICKS_PER_SECOND = 100;

    private static final double MILLIS_PER_SECOND = 1e3;
    private static final double BYTES_PER_KIB = 1024;

    // Fields of /proc/self/stat, counted from the state, which is the third.
    private static final int USER_TICKS = 14 - 3;
    private static final int SYSTEM_TICKS = 15 - 3;
    private static final int THREADS = 20 - 3;
    private static final int START_TICKS = 22 - 3;
    private static final int VIRTUAL_BYTES = 23 - 3;

    static ProcessMetrics read() {
        Path self = Path.of("/proc/self");
        String stat = text(self.resolve("stat"));
        // The second field is the program's name in parentheses, and may hold anything but its last one.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", -1);
        var heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        List<Collector> collectors = new ArrayList<>();
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            collectors.add(new Collector(
                    bean.getName(), bean.getCollectionCount(), bean.getCollectionTime() / MILLIS_PER_SECOND));
        }
        return new ProcessMetrics(
                (number(fields, USER_TICKS) + number(fields, SYSTEM_TICKS)) / TICKS_PER_SECOND,
                bootSeconds() + number(fields, START_TICKS) / TICKS_PER_SECOND,
                lineNumber(text(self.resolve("status")), "VmRSS:") * BYTES_PER_KIB,
                number(fields, VIRTUAL_BYTES),
                count(self.resolve("fd")),
                lineNumber(text(self.resolve("limits")), "Max open files"),
                number(fields, THREADS),
                (double) heap.getUsed(),
                (double) heap.getMax(),
                List.copyOf(collectors));
    }

    private static double bootSeconds() {
        return lineNumber(text(Path.of("/proc/stat")), "btime");
    }

    private static double number(String[] fields, int index) {
        return index < fields.length ? number(fields[index]) : Double.NaN;
    }

    private static double number(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            return Double.NaN; // "unlimited"
        }
    }

    /** The first word behind a line's name. */
    private static double lineNumber(String text, String name) {
        return text.lines()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(name.length()).strip().split("\\s+", -1)[0])
                .mapToDouble(ProcessMetrics::number)
                .findFirst()
                .orElse(Double.NaN);
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "";
        }
    }

    private static double count(Path directory) {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            int count = 0;
            for (Path _ : entries) {
                count++;
            }
            return count - 1; // without the one that looks
        } catch (IOException e) {
            return Double.NaN;
        }
    }
}
