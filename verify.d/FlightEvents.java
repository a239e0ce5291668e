import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/**
 * Reads a recording of the flight recorder as anybody would, and says whether it has at least so many of each kind of our events, with
 * fields that can be true.
 *
 * <pre>
 * usage: java FlightEvents.java RECORDING EVENT=LEAST...
 * </pre>
 */
final class FlightEvents {

    private FlightEvents() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, Integer> counts = new TreeMap<>();
        List<String> faults = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(Path.of(arguments[0]))) {
            String name = event.getEventType().getName();
            if (name.startsWith("ramback.")) {
                counts.merge(name, 1, Integer::sum);
                if (!isRight(event)) {
                    faults.add("not right: " + event);
                }
            }
        }
        System.out.println(Path.of(arguments[0]).getFileName() + ": " + counts);
        for (int i = 1; i < arguments.length; i++) {
            String[] wanted = arguments[i].split("=", 2);
            if (counts.getOrDefault(wanted[0], 0) < Integer.parseInt(wanted[1])) {
                faults.add("fewer than " + arguments[i]);
            }
        }
        faults.stream().limit(10).forEach(System.out::println);
        System.exit(faults.isEmpty() ? 0 : 1);
    }

    private static boolean isRight(RecordedEvent event) {
        boolean isBare = event.getStackTrace() == null && !event.getDuration().isNegative();
        return isBare
                && switch (event.getEventType().getName()) {
                    case "ramback.Request" ->
                        List.of("read", "write", "flush", "trim", "zero").contains(event.getString("kind"))
                                && event.getLong("offset") >= 0
                                && event.getLong("length") >= 0
                                && event.getInt("error") == 0
                                && event.getDuration("latency").toNanos() > 0
                                && event.getThread()
                                        .getJavaName()
                                        .matches(event.getBoolean("deferred")
                                                ? "reply-\\d+|fuse-reply-\\d+|ublk-\\d+-\\d+"
                                                : "nbd-\\d+|fuse-\\d+|ublk-\\d+-\\d+");
                    case "ramback.Epoch" -> event.getLong("epoch") >= 0 && event.getThread().getJavaName().equals("sealer");
                    case "ramback.Commit" ->
                        event.getLong("epoch") >= 0
                                && event.getLong("journalUsed") > 0
                                && event.getThread().getJavaName().equals("journal");
                    case "ramback.Apply" -> event.getBoolean("whole") && event.getThread().getJavaName().equals("applier-0");
                    case "ramback.Load" ->
                        event.getLong("length") > 0 && event.getThread().getJavaName().startsWith("loader-");
                    case "ramback.Power" -> !event.getString("from").equals(event.getString("to"));
                    default -> false;
                };
    }
}
