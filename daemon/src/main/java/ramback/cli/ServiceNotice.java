package ramback.cli;

import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import ramback.control.Daemon;
import ramback.control.Ending;
import ramback.control.Light;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.engine.Successor;
import ramback.engine.WorkProgress;
import ramback.host.ServiceReports;

/** What a service manager, where one started us, is told of a device: from the first work of its start to its last write. */
final class ServiceNotice implements AutoCloseable {

    private static final String TAKEN_OVER = "another program takes the device over";

    private final ServiceReports reports;

    private ServiceNotice(ServiceReports reports) {
        this.reports = reports;
    }

    /** Tells whom the environment names, or nobody. */
    static ServiceNotice start(Map<String, String> environment) {
        return new ServiceNotice(ServiceReports.start(environment));
    }

    /** The same progress, heard here as well. */
    WorkProgress hearing(WorkProgress other) {
        return new StartWork(other);
    }

    /** A start that came to nothing says why where people look first. */
    void failed(Refusal refusal) {
        reports.ending(String.valueOf(refusal.getMessage()));
    }

    void serves(Daemon daemon) {
        reports.serving(() -> pulse(daemon, ServiceNotice::line, "stopped"));
    }

    /** The end has begun; it is told of until {@link #close}. */
    void ends(Daemon daemon, Ending asked) {
        switch (asked) {
            case Ending.Stop _ -> reports.stopping();
            case Ending.HandOver handOver ->
                // Not called stopping: the manager would not take that process for one that serves again. The watchdog
                // goes on, since all may have to be written first, to a disk that is slow.
                reports.serving(() -> pulse(daemon, status -> line(status, handOver), TAKEN_OVER));
        }
    }

    /**
     * Tells the last before another program takes the process over. That tells the rest itself: it has our process number,
     * our environment, and so the same manager.
     */
    void handsOver() {
        reports.closeForSuccessor();
    }

    @Override
    public void close() {
        reports.close();
    }

    /** @param last what is said once the device has stopped */
    private static ServiceReports.Pulse pulse(Daemon daemon, Function<StatusReport, String> words, String last) {
        try {
            StatusReport status = daemon.status();
            // Whatever is carried to the image or was made dirty meanwhile moves this number.
            long progress = status.savedChunks() - status.dirtyChunks();
            return new ServiceReports.Pulse(words.apply(status), progress, daemon.isAlive());
        } catch (Refusal e) {
            return new ServiceReports.Pulse(last, 0, true); // about to end
        }
    }

    /** The device on its way to another program: to one of another layout through its image. */
    static String line(StatusReport status, Ending.HandOver asked) {
        String words = asked.layoutVersion() == Successor.LAYOUT_VERSION ? waiting(status) : "; " + stopping(status);
        return TAKEN_OVER + words;
    }

    /** The device in one line that stays the same while nothing happens. */
    static String line(StatusReport status) {
        if (status.state().equals("stopping")) {
            return stopping(status);
        }
        if (status.backingFailing() != null) {
            return "degraded: " + status.backingFailing();
        }
        String power = switch (status.power().state()) {
            case "none", "online" -> "";
            default -> ", power " + status.power().state();
        };
        String mode = status.mode()
                + (status.mode().equals(status.configuredMode())
                        ? ""
                        : " (configured: " + status.configuredMode() + ")");
        String rest = ", " + mode + power;
        return switch (status.state()) {
            case "loading" -> "loading " + percent(status.loadedChunks(), status.chunks()) + " %" + rest;
            case "flushing" -> "flushing, " + Quantities.ofBytes(status.dirtyBytes()) + " left" + rest;
            default ->
                (status.lightColour() == Light.GREEN ? "green" : "amber")
                        + rest
                        + (status.throttling() ? ", writers are slowed down" : "");
        };
    }

    private static String stopping(StatusReport status) {
        String left = status.dirtyBytes() == 0
                ? "stopping, all is in the image"
                : "stopping, " + Quantities.ofBytes(status.dirtyBytes()) + " to write";
        return left + waiting(status);
    }

    private static String waiting(StatusReport status) {
        return status.backingFailing() == null ? "" : "; waits for the disk: " + status.backingFailing();
    }

    private static String percent(long part, long whole) {
        return String.format(Locale.ROOT, "%.0f", Math.floor(StatusScreen.percent(part, whole)));
    }

    /** What a start is at. */
    private final class StartWork implements WorkProgress {

        private final WorkProgress other;
        /** Grows with whatever is done, of each work after the other. */
        private final AtomicLong heardCount = new AtomicLong();

        private String seenWork = "";
        private long seenBytes;

        StartWork(WorkProgress other) {
            this.other = other;
        }

        @Override
        public void at(String what, long doneBytes, long totalBytes) {
            other.at(what, doneBytes, totalBytes);
            if (doneBytes != seenBytes || !what.equals(seenWork)) {
                seenWork = what;
                seenBytes = doneBytes;
                String part = totalBytes > 0 ? ", " + percent(doneBytes, totalBytes) + " %" : "";
                reports.starting(what + part, heardCount.incrementAndGet());
            }
        }

        @Override
        public void note(String line) {
            other.note(line);
        }
    }
}
