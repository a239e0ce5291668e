package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import ramback.control.Light;
import ramback.control.StatusReport;

/** A status for people, on one screen. */
final class StatusScreen {

    private static final int BAR_CELLS = 24;

    private StatusScreen() {}

    /**
     * What the terminal can show.
     *
     * @param dot a round one, or an asterisk where the terminal's encoding has none
     */
    record Style(boolean isColoured, String dot) {

        static Style of(Shell shell, boolean isTerminal) {
            boolean hasDot = shell.out().charset().newEncoder().canEncode('●');
            return new Style(isTerminal && Terminal.wantsColour(shell.environment()), hasDot ? "●" : "*");
        }
    }

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
        lines.add(now.name() + "  " + light(now, style) + "  " + now.state() + (now.readOnly() ? ", read-only" : ""));
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
                        + (now.mode().equals(now.configuredMode())
                                ? ""
                                : " (configured: " + now.configuredMode() + ")"));
        add(lines, "loaded", loaded(now));
        add(lines, "dirty", dirty(now, peakDirtyBytes));
        add(lines, "at risk", atRisk(now));
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
                    bar(now.journalUsedBytes(), now.journalSizeBytes()) + " "
                            + Quantities.ofBytes(now.journalUsedBytes()) + " of "
                            + Quantities.ofSize(now.journalSizeBytes()) + ", " + now.journalPath());
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
            add(lines, "snapshot", bar(now.snapshotDoneBytes(), now.sizeBytes()) + " " + now.snapshotPath());
        }
        add(lines, "clients", now.clients() + ", " + Quantities.ofCount(now.inflight()) + " requests wait");
        add(lines, "requests", requests(now, earlier));
        add(lines, "NBD", now.uri());
        if (now.tcpUri() != null) {
            add(lines, "", now.tcpUri());
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

    private static String access(StatusReport now) {
        if (!now.backingUri().startsWith("file:")) {
            return "";
        }
        return now.directIo() ? ", direct I/O" : ", through the page cache";
    }

    private static void add(List<String> lines, String label, String text) {
        lines.add(String.format(Locale.ROOT, "  %-10s %s", label, text));
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

    private static String loaded(StatusReport now) {
        if (now.fullyLoaded()) {
            return bar(1, 1) + " all of it";
        }
        double rate = now.loadBytesPerSecond();
        String text =
                bar(now.loadedChunks(), now.chunks()) + ", " + Quantities.ofBytes(now.loadRemainingBytes()) + " left";
        return rate < 1
                ? text
                : text + ", " + Quantities.ofRate(rate) + ", "
                        + Quantities.ofSeconds((double) now.loadRemainingBytes() / rate) + " to go";
    }

    private static String dirty(StatusReport now, long peakDirtyBytes) {
        boolean isFlushing = now.state().equals("flushing") || now.state().equals("stopping");
        double rate = now.backingWriteBytesPerSecond();
        String bytes = Quantities.ofBytes(now.dirtyBytes());
        if (isFlushing) {
            String text = bar(peakDirtyBytes - now.dirtyBytes(), peakDirtyBytes) + " flushed, " + bytes + " left";
            return rate < 1
                    ? text
                    : text + ", " + Quantities.ofRate(rate) + ", "
                            + Quantities.ofSeconds((double) now.dirtyBytes() / rate) + " to go";
        }
        return bar(now.dirtyBytes(), now.dirtyMaxBytes()) + " " + bytes + " of at most "
                + Quantities.ofBytes(now.dirtyMaxBytes()) + ", " + Quantities.ofCount(now.dirtyChunks()) + " chunks"
                + (rate < 1 ? "" : ", " + Quantities.ofRate(rate)) + (now.throttling() ? ", writers throttled" : "");
    }

    private static String atRisk(StatusReport now) {
        if (now.lossBytes() == 0) {
            return "nothing, if the power failed now";
        }
        if (now.mode().equals("unsafe")) {
            return "the whole device, if the power failed now (unsafe); last clean "
                    + Quantities.ofSeconds(now.lossSeconds()) + " ago";
        }
        return Quantities.ofBytes(now.lossBytes()) + ", the oldest " + Quantities.ofSeconds(now.lossSeconds())
                + " old, if the power failed now"
                + (now.mode().equals("checkpoint")
                        ? " (at most " + Quantities.ofSeconds(now.intervalSeconds()) + ")"
                        : "");
    }

    private static String requests(StatusReport now, @Nullable StatusReport earlier) {
        String failed = now.failedCount() == 0 ? "" : ", " + Quantities.ofCount(now.failedCount()) + " failed";
        if (earlier == null || earlier.pid() != now.pid()) {
            return Quantities.ofCount(now.readCount()) + " reads (" + Quantities.ofBytes(now.readBytes()) + "), "
                    + Quantities.ofCount(now.writeCount()) + " writes (" + Quantities.ofBytes(now.writeBytes()) + "), "
                    + Quantities.ofCount(now.flushCount()) + " flushes" + failed;
        }
        double seconds = Math.max(0.001, now.uptimeSeconds() - earlier.uptimeSeconds());
        return perSecond(now.readCount() - earlier.readCount(), seconds) + " reads/s ("
                + Quantities.ofRate((now.readBytes() - earlier.readBytes()) / seconds) + "), "
                + perSecond(now.writeCount() - earlier.writeCount(), seconds) + " writes/s ("
                + Quantities.ofRate((now.writeBytes() - earlier.writeBytes()) / seconds) + "), "
                + perSecond(now.flushCount() - earlier.flushCount(), seconds) + " flushes/s" + failed;
    }

    private static String perSecond(long count, double seconds) {
        return Quantities.ofCount(Math.round(count / seconds));
    }

    /** A bar and its percentage; full only when it is. */
    static String bar(long part, long whole) {
        double percent = percent(part, whole);
        int filled = (int) (percent * BAR_CELLS / 100);
        return "[" + "#".repeat(filled) + "-".repeat(BAR_CELLS - filled) + "]"
                + String.format(Locale.ROOT, " %3.0f %%", Math.floor(percent));
    }

    /** How much of the whole a part is, 0 to 100; of nothing it is all. */
    static double percent(long part, long whole) {
        return whole <= 0 ? 100 : Math.clamp(100.0 * part / whole, 0, 100);
    }
}
