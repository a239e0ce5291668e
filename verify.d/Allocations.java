import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordingFile;

/**
 * Says what the threads on a request's way allocated, in a recording of a daemon that ran with -XX:-UseTLAB, so that every
 * allocation is an event (allocation.jfc).
 *
 * <pre>
 * usage: java Allocations.java RECORDING BEGIN END REQUESTS COMMITS WHAT
 * </pre>
 *
 * BEGIN and END, in seconds since 1970, bound the time in which REQUESTS requests were served and COMMITS epochs committed;
 * what matters had been compiled by then. Fails when the threads that serve requests allocated anything but what the JDK's locks
 * make when two threads want the same one, or the others together more than a little for each commit, second and request, and says
 * by what.
 */
final class Allocations {

    /** A queue's node for whoever waits for a lock is JDK's, small, and gone at once; the busier the machine, the more of them. */
    private static final String LOCK_NODE = "AbstractQueuedSynchronizer$ExclusiveNode";

    private static final long LOCK_BYTES_PER_REQUEST_MAX = 32;

    /** What runs for the first time only now, for all threads and requests together: a class, the compiler's way out. */
    private static final long FIRST_TIME_BYTES_MAX = 64 << 10;

    /**
     * Half of the smallest object: on a machine with other work the compiler may still be at it, and what it has not yet come to
     * makes the views of memory that it will do without. A request that always makes an object is over this.
     */
    private static final long SERVING_BYTES_PER_REQUEST_MAX = 8;

    /** A commit is told with a few small objects. */
    private static final long BACKGROUND_BYTES_PER_COMMIT_MAX = 2 << 10;

    private static final long BACKGROUND_BYTES_PER_SECOND_MAX = 256 << 10;

    /** A write to the image makes a view or two of memory, and carries what several requests wrote. */
    private static final long BACKGROUND_BYTES_PER_REQUEST_MAX = 16;
    private static final String ALLOCATION = "jdk.ObjectAllocationOutsideTLAB";
    private static final int PLACE_COUNT_SHOWN = 8;
    private static final List<String> SERVING = List.of("nbd-", "reply-");
    private static final List<String> BACKGROUND = List.of("sealer", "journal", "applier-", "loader-", "snapshot");

    private Allocations() {}

    public static void main(String[] arguments) throws IOException {
        Instant begin = time(arguments[1]);
        Instant end = time(arguments[2]);
        long requestCount = Long.parseLong(arguments[3]);
        long commitCount = Long.parseLong(arguments[4]);
        Map<String, Long> bytesOfPlace = new HashMap<>();
        long servingBytes = 0;
        long lockBytes = 0;
        long backgroundBytes = 0;
        long eventCount = 0;
        try (RecordingFile recording = new RecordingFile(Path.of(arguments[0]))) {
            while (recording.hasMoreEvents()) {
                RecordedEvent event = recording.readEvent();
                if (!event.getEventType().getName().equals(ALLOCATION)) {
                    continue;
                }
                eventCount++;
                String thread = event.getThread() == null ? "" : event.getThread().getJavaName();
                boolean isServing = isOneOf(SERVING, thread);
                if (event.getStartTime().isBefore(begin)
                        || event.getStartTime().isAfter(end)
                        || !isServing && !isOneOf(BACKGROUND, thread)) {
                    continue;
                }
                long bytes = event.getLong("allocationSize");
                if (isServing && event.getClass("objectClass").getName().endsWith(LOCK_NODE)) {
                    lockBytes += bytes;
                } else if (isServing) {
                    servingBytes += bytes;
                } else {
                    backgroundBytes += bytes;
                }
                bytesOfPlace.merge(thread + " " + place(event), bytes, Long::sum);
            }
        }
        double seconds = (end.toEpochMilli() - begin.toEpochMilli()) / 1e3;
        System.out.printf(
                "%s: %,d requests and %,d commits in %.1f s; the threads that serve allocated %,d bytes, besides %,d for locks;"
                        + " the others %,d%n",
                arguments[5], requestCount, commitCount, seconds, servingBytes, lockBytes, backgroundBytes);
        bytesOfPlace.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .limit(PLACE_COUNT_SHOWN)
                .forEach(place -> System.out.printf("    %,d bytes by %s%n", place.getValue(), place.getKey()));
        if (eventCount == 0) {
            throw new IllegalStateException("nothing was recorded at all, not even the start");
        }
        boolean isTooMuch = servingBytes > FIRST_TIME_BYTES_MAX + requestCount * SERVING_BYTES_PER_REQUEST_MAX
                || lockBytes > requestCount * LOCK_BYTES_PER_REQUEST_MAX
                || backgroundBytes
                        > BACKGROUND_BYTES_PER_COMMIT_MAX * commitCount
                                + BACKGROUND_BYTES_PER_SECOND_MAX * seconds
                                + BACKGROUND_BYTES_PER_REQUEST_MAX * requestCount;
        System.exit(isTooMuch ? 1 : 0);
    }

    private static Instant time(String seconds) {
        return Instant.ofEpochMilli(Math.round(Double.parseDouble(seconds) * 1e3));
    }

    private static boolean isOneOf(List<String> prefixes, String thread) {
        return thread != null && prefixes.stream().anyMatch(thread::startsWith);
    }

    /** What was allocated, and by whom: the innermost frame, and the innermost of ours. */
    private static String place(RecordedEvent event) {
        StringBuilder place = new StringBuilder(event.getClass("objectClass").getName());
        if (event.getStackTrace() != null) {
            List<RecordedFrame> frames = event.getStackTrace().getFrames();
            frames.stream().limit(1).forEach(frame -> place.append(" at ").append(name(frame)));
            frames.stream()
                    .filter(frame -> frame.getMethod().getType().getName().startsWith("ramback."))
                    .limit(2)
                    .forEach(frame -> place.append(" from ").append(name(frame)));
        }
        return place.toString();
    }

    private static String name(RecordedFrame frame) {
        return frame.getMethod().getType().getName() + "." + frame.getMethod().getName() + ":" + frame.getLineNumber();
    }
}
