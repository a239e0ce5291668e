package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachedDisk;
import ramback.control.LatencyReport;
import ramback.control.Light;
import ramback.control.StatusReport;
import ramback.nbd.TlsMode;
import ramback.power.ForeignText;
import ramback.traffic.ClientKind;

/** A status for people, on one screen. What a daemon says is made {@link ForeignText#printable} here. */
final class StatusScreen {

    /** Of a bar, where there is room. */
    static final int BAR_CELLS = 24;

    private StatusScreen() {}

    /**
     * What the terminal can show.
     *
     * @param isUnicode whether its encoding has more than ASCII
     */
    record Style(boolean isColoured, boolean isUnicode) {

        static Style of(Shell shell, boolean isTerminal) {
            return new Style(
                    isTerminal && Terminal.wantsColour(shell.environment()),
                    shell.out().charset().newEncoder().canEncode("●…↑↓"));
        }

        String dot() {
            return isUnicode ? "●" : "*";
        }
    }

    /**
     * A line of the screen below its first one.
     *
     * @param label what it is about; empty when it goes on with the line above
     */
    record Line(String label, String text) {}

    /** The screen of one moment. */
    static List<String> lines(StatusReport status, Style style) {
        return lines(status, null, status.dirtyBytes(), style);
    }

    /**
     * The screen of one moment among others.
     *
     * @param earlier the status about a second ago, for the rates, or null
     * @param peakDirtyBytes the most there was to write since the flush began; what its bar is drawn against
     */
    static List<String> lines(StatusReport now, @Nullable StatusReport earlier, long peakDirtyBytes, Style style) {
        List<String> lines = new ArrayList<>();
        lines.add(ForeignText.printable(now.name()) + "  " + light(now, style) + "  " + state(now));
        for (Line line : body(now, earlier, peakDirtyBytes, BAR_CELLS)) {
            lines.add(String.format(Locale.ROOT, "  %-10s %s", line.label(), line.text()));
        }
        return lines;
    }

    static String state(StatusReport status) {
        return ForeignText.printable(status.state()) + (status.readOnly() ? ", read-only" : "");
    }

    /** The lines below the first one. */
    static List<Line> body(StatusReport now, @Nullable StatusReport earlier, long peakDirtyBytes, int barCellCount) {
        List<Line> lines = new ArrayList<>();
        add(
                lines,
                "size",
                Quantities.ofSize(now.sizeBytes()) + ", " + Quantities.ofCount(now.chunks()) + " chunks of "
                        + Quantities.ofSize(now.chunkBytes()));
        add(
                lines,
                "mode",
                now.mode()
                        + (now.mode().equals("checkpoint")
                                ? ", at most " + Quantities.ofSeconds(now.intervalSeconds()) + " behind"
                                : "")
                        + (now.mode().equals(now.configuredMode()) ? "" : " (configured: " + now.configuredMode() + ")")
                        + (now.modeByHand() ? ", chosen by hand" : ""));
        add(lines, "loaded", loaded(now, barCellCount));
        add(lines, "dirty", dirty(now, earlier, peakDirtyBytes, barCellCount));
        add(lines, "at risk", atRisk(now));
        PowerWords.lines(now.power()).forEach(new Continuing(lines, "power")::add);
        add(
                lines,
                "committed",
                now.commitTime() == null
                        ? "nothing since the start"
                        : "epoch " + Quantities.ofCount(now.commitEpoch()) + " at " + now.commitTime());
        if (now.journalPath() != null) {
            add(
                    lines,
                    "journal",
                    bar(now.journalUsedBytes(), now.journalSizeBytes(), barCellCount) + " "
                            + Quantities.ofBytes(now.journalUsedBytes()) + " of "
                            + Quantities.ofSize(now.journalSizeBytes()) + journalTrend(now, earlier) + ", "
                            + now.journalPath());
        }
        add(lines, "image", now.backingUri() + access(now));
        if (now.backingFailing() != null) {
            add(lines, "failing", now.backingFailing());
        }
        if (now.backingErrors() > 0) {
            add(
                    lines,
                    "errors",
                    Quantities.ofCount(now.backingErrors()) + " since the start"
                            + (now.backingLastError() == null ? "" : ", the last: " + now.backingLastError()));
        }
        if (now.snapshotPath() != null) {
            add(
                    lines,
                    "snapshot",
                    bar(now.snapshotDoneBytes(), now.sizeBytes(), barCellCount) + " " + now.snapshotPath());
        }
        add(lines, "clients", clients(now) + ", " + Quantities.ofCount(now.inflight()) + " requests wait");
        add(lines, "requests", requests(now, earlier));
        Continuing latency = new Continuing(lines, "latency");
        now.latencies().forEach(kind -> latency.add(latency(kind)));
        addUris(lines, now);
        if (now.attached() != null) {
            add(lines, "attached", attached(now.attached()));
        }
        if (now.httpUri() != null) {
            add(lines, "dashboard", now.httpUri());
        }
        add(
                lines,
                "daemon",
                "pid " + now.pid() + ", up " + Quantities.ofSeconds(now.uptimeSeconds())
                        + (now.trace() ? ", trace on" : ""));
        for (String warning : now.process().warnings()) {
            add(lines, "warning", warning);
        }
        return lines;
    }

    /** Each with what holds for its clients: that TLS is required is said of TCP alone, a Unix socket's clients may do without. */
    private static void addUris(List<Line> lines, StatusReport now) {
        boolean isOff = now.tls().equals(TlsMode.OFF.word());
        boolean isRequired = now.tls().equals(TlsMode.REQUIRE.word());
        String allowed = isOff ? "" : " (TLS allowed)";
        add(lines, "NBD", now.uri() + allowed);
        if (now.tcpUri() != null) {
            add(lines, "", now.tcpUri() + (isRequired ? " (TLS required)" : allowed));
        }
    }

    /** How many; and by what, where it is not NBD alone. */
    private static String clients(StatusReport now) {
        List<String> kinds = new ArrayList<>();
        new TreeMap<>(now.clientsVia()).forEach((kind, count) -> {
            if (count > 0) {
                kinds.add(count + " by " + kind);
            }
        });
        boolean isNbdAlone = now.clientsVia().getOrDefault(ClientKind.NBD.word(), now.clients()) == now.clients();
        return now.clients() + (isNbdAlone ? "" : " (" + String.join(", ", kinds) + ")");
    }

    private static String attached(AttachedDisk attached) {
        return attached.device()
                + (attached.mounts().isEmpty() ? "" : " on " + String.join(", ", attached.mounts()))
                + (attached.isLeft()
                        ? ", left by a daemon that is gone: 'ramback detach' takes it apart"
                        : ", by " + attached.via());
    }

    private static String access(StatusReport now) {
        if (!now.backingUri().startsWith("file:")) {
            return "";
        }
        return now.directIo() ? ", direct I/O" : ", through the page cache";
    }

    private static void add(List<Line> lines, String label, String text) {
        lines.add(new Line(label, ForeignText.printable(text)));
    }

    /** Several lines about one thing: its label stands before the first. */
    private static final class Continuing {

        private final List<Line> lines;
        private String label;

        Continuing(List<Line> lines, String label) {
            this.lines = lines;
            this.label = label;
        }

        void add(String text) {
            StatusScreen.add(lines, label, text);
            label = "";
        }
    }

    /** The dot and its word: who can't see the colour reads it. */
    static String light(StatusReport status, Style style) {
        Light light = status.lightColour();
        if (!style.isColoured()) {
            return style.dot() + " " + light.word();
        }
        String colour = switch (light) {
            case GREEN -> "32";
            case AMBER -> "33";
            case RED -> "31";
        };
        return "\033[" + colour + "m" + style.dot() + "\033[0m " + light.word();
    }

    private static String loaded(StatusReport now, int barCellCount) {
        if (now.fullyLoaded()) {
            return bar(1, 1, barCellCount) + " all of it";
        }
        double rate = now.loadBytesPerSecond();
        String text = bar(now.loadedChunks(), now.chunks(), barCellCount) + ", "
                + Quantities.ofBytes(now.loadRemainingBytes()) + " left";
        return rate < 1
                ? text
                : text + ", " + Quantities.ofRate(rate) + ", "
                        + Quantities.ofSeconds((double) now.loadRemainingBytes() / rate) + " to go";
    }

    private static String dirty(
            StatusReport now, @Nullable StatusReport earlier, long peakDirtyBytes, int barCellCount) {
        double rate = now.backingWriteBytesPerSecond();
        String bytes = Quantities.ofBytes(now.dirtyBytes());
        if (isFlushing(now)) {
            String text = bar(peakDirtyBytes - now.dirtyBytes(), peakDirtyBytes, barCellCount) + " flushed, " + bytes
                    + " left";
            return rate < 1
                    ? text
                    : text + ", " + Quantities.ofRate(rate) + ", "
                            + Quantities.ofSeconds((double) now.dirtyBytes() / rate) + " to go";
        }
        return bar(now.dirtyBytes(), now.dirtyMaxBytes(), barCellCount) + " " + bytes + " of at most "
                + Quantities.ofBytes(now.dirtyMaxBytes())
                + (earlier == null ? ", " + Quantities.ofCount(now.dirtyChunks()) + " chunks" : "")
                + (rate < 1 ? "" : ", " + Quantities.ofRate(rate)) + (now.throttling() ? ", writers throttled" : "")
                + (earlier != null && isFollowedBy(earlier, now)
                        ? goal(now.dirtyBytes(), earlier.dirtyBytes(), now.dirtyMaxBytes(), seconds(earlier, now))
                        : "");
    }

    /** Whether everything dirty is being carried to the image. */
    static boolean isFlushing(StatusReport status) {
        return status.state().equals("flushing") || status.state().equals("stopping");
    }

    private static String journalTrend(StatusReport now, @Nullable StatusReport earlier) {
        if (earlier == null || !isFollowedBy(earlier, now)) {
            return "";
        }
        double seconds = seconds(earlier, now);
        double rate = (now.journalUsedBytes() - earlier.journalUsedBytes()) / seconds;
        return Math.abs(rate) < 1
                ? ""
                : ", " + (rate > 0 ? "+" : "-") + Quantities.ofRate(Math.abs(rate))
                        + goal(now.journalUsedBytes(), earlier.journalUsedBytes(), now.journalSizeBytes(), seconds);
    }

    /** When an amount would be at its limit or at nothing, if it went on as since the status before. */
    private static String goal(long now, long before, long limit, double seconds) {
        double rate = (now - before) / seconds;
        if (Math.abs(rate) < 1 || now <= 0) {
            return "";
        }
        return rate > 0
                ? ", full in " + Quantities.ofSeconds(Math.max(0, limit - now) / rate)
                : ", empty in " + Quantities.ofSeconds(now / -rate);
    }

    /** Whether two statuses are of the same daemon, so that the difference between them means something. */
    static boolean isFollowedBy(StatusReport earlier, StatusReport now) {
        return earlier.pid() == now.pid() && now.uptimeSeconds() > earlier.uptimeSeconds();
    }

    /** How far apart two statuses of a daemon are, by its own clock; more than 0. */
    static double seconds(StatusReport earlier, StatusReport now) {
        return Math.max(0.001, now.uptimeSeconds() - earlier.uptimeSeconds());
    }

    private static String atRisk(StatusReport now) {
        if (now.lossBytes() == 0) {
            return "nothing, if the power failed now";
        }
        if (now.mode().equals("unsafe")) {
            return "the whole device, if the power failed now (unsafe); last clean "
                    + Quantities.ofSeconds(now.lossSeconds()) + " ago";
        }
        return Quantities.ofBytes(now.lossBytes()) + ", the oldest " + Quantities.ofSeconds(now.lossSeconds()) + " old"
                + (now.mode().equals("checkpoint")
                        ? " (at most " + Quantities.ofSeconds(now.intervalSeconds()) + ")"
                        : "")
                + ", if the power failed now";
    }

    private static String requests(StatusReport now, @Nullable StatusReport earlier) {
        String failed = now.failedCount() == 0 ? "" : ", " + Quantities.ofCount(now.failedCount()) + " failed";
        if (earlier == null || !isFollowedBy(earlier, now)) {
            return Quantities.ofCount(now.readCount()) + " reads (" + Quantities.ofBytes(now.readBytes()) + "), "
                    + Quantities.ofCount(now.writeCount()) + " writes (" + Quantities.ofBytes(now.writeBytes()) + "), "
                    + Quantities.ofCount(now.flushCount()) + " flushes" + failed;
        }
        double seconds = seconds(earlier, now);
        return perSecond(now.readCount() - earlier.readCount(), seconds) + " reads/s ("
                + Quantities.ofRate((now.readBytes() - earlier.readBytes()) / seconds) + "), "
                + perSecond(now.writeCount() - earlier.writeCount(), seconds) + " writes/s ("
                + Quantities.ofRate((now.writeBytes() - earlier.writeBytes()) / seconds) + "), "
                + perSecond(now.flushCount() - earlier.flushCount(), seconds) + " flushes/s" + failed;
    }

    private static String perSecond(long count, double seconds) {
        return Quantities.ofCount(Math.round(count / seconds));
    }

    /** What requests of a kind took in the last ten seconds. */
    private static String latency(LatencyReport kind) {
        return String.format(
                Locale.ROOT,
                "%-5s p50 %s, p99 %s, p99.9 %s, max %s",
                kind.kind(),
                Quantities.ofShortTime(kind.p50Seconds()),
                Quantities.ofShortTime(kind.p99Seconds()),
                Quantities.ofShortTime(kind.p999Seconds()),
                Quantities.ofShortTime(kind.maxSeconds()));
    }

    /** A bar and its percentage; full only when it is. */
    static String bar(long part, long whole, int cellCount) {
        double percent = percent(part, whole);
        int filled = (int) (percent * cellCount / 100);
        return "[" + "#".repeat(filled) + "-".repeat(cellCount - filled) + "]"
                + String.format(Locale.ROOT, " %3.0f %%", Math.floor(percent));
    }

    /** How much of the whole a part is, 0 to 100; of nothing it is all. */
    static double percent(long part, long whole) {
        return whole <= 0 ? 100 : Math.clamp(100.0 * part / whole, 0, 100);
    }
}
