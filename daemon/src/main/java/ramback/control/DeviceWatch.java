package ramback.control;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.traffic.ClientKind;
import ramback.traffic.RequestLatencies;

/**
 * Looks at a device once a second, every three while nothing happens, on a virtual thread: what has changed goes to the log, what
 * requests took into the {@link LatencyWindow}. A look costs some ten microseconds, whatever the size of the device and the
 * number of its requests. Safe for use by many threads.
 */
final class DeviceWatch implements AutoCloseable {

    private static final Logger LOG = System.getLogger(DeviceWatch.class.getName());

    private static final Duration PERIOD = Duration.ofSeconds(1);

    /** The same while nobody is connected, nothing is dirty, and no power to be watched: an idle device shall cost nothing. */
    private static final Duration QUIET_PERIOD = Duration.ofSeconds(3);

    /** So many looks must have found it so. */
    private static final int QUIET_LOOK_COUNT = 10;

    private final DeviceControl device;
    private final EventLog events;
    private volatile boolean isQuiet;
    private volatile long lastRequestCount;

    private final Consumer<StatusReport> onLook;
    private final BiConsumer<PowerReport, PowerReport> onPower;
    private final LatencyWindow window = new LatencyWindow(System.nanoTime());
    private final CountDownLatch ended = new CountDownLatch(1);

    private volatile @Nullable DeviceLog log;
    private PowerReport power = PowerReport.NONE; // guarded by this

    /**
     * Watches nothing yet.
     *
     * @param events gets what goes to the log as well
     * @param onLook gets what is seen once a second
     * @param onPower hears of changes of the power: what it was, what it is
     */
    DeviceWatch(
            DeviceControl device,
            EventLog events,
            Consumer<StatusReport> onLook,
            BiConsumer<PowerReport, PowerReport> onPower) {
        this.device = device;
        this.events = events;
        this.onLook = onLook;
        this.onPower = onPower;
    }

    /** Begins, once the device is served. */
    void start() {
        Thread.ofVirtual().name("control-watch").start(this::run);
    }

    /** Looks no more. */
    @Override
    public void close() {
        ended.countDown();
    }

    private void run() {
        try {
            int quietLookCount = 0;
            Duration period;
            do {
                turn();
                quietLookCount = isQuiet ? quietLookCount + 1 : 0;
                period = quietLookCount < QUIET_LOOK_COUNT ? PERIOD : QUIET_PERIOD;
            } while (!ended.await(period.toNanos(), TimeUnit.NANOSECONDS));
        } catch (Refusal e) {
            // The device has stopped.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Begins the log at the first time, and looks at every other; a fault of ours costs no more than this turn. */
    void turn() throws Refusal {
        try {
            if (log == null) {
                log = new DeviceLog(
                        System.getLogger(DeviceLog.class.getName()), events, device.status(), System.nanoTime());
            } else {
                window.note(System.nanoTime(), device.latencies());
                look(null);
            }
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "the watch of the device met an internal error", e);
        }
    }

    /** The device comes to its end: whatever changes from now on does so because of that. */
    void ends(DeviceLog.Reason reason) {
        DeviceLog telling = log;
        if (telling == null) {
            return;
        }
        telling.ends(reason);
        try {
            turn();
        } catch (Refusal e) {
            // It is there already.
        }
    }

    /** Looks now, since something was changed; null for no reason but that it is time. */
    void look(DeviceLog.@Nullable Reason reason) throws Refusal {
        DeviceLog telling = log;
        if (telling != null) {
            StatusReport now = device.status();
            telling.look(now, System.nanoTime(), reason);
            tellPower(now.power());
            onLook.accept(now);
            long requestCount = requestCount(now);
            isQuiet = isQuiet(now) && requestCount == lastRequestCount;
            lastRequestCount = requestCount;
        }
    }

    private static boolean isQuiet(StatusReport now) {
        return now.state().equals("ready")
                && now.clientsVia().getOrDefault(ClientKind.NBD.word(), now.clients()) == 0
                && now.dirtyChunks() == 0
                && now.power().state().equals("none");
    }

    private static long requestCount(StatusReport now) {
        return now.readCount() + now.writeCount() + now.flushCount() + now.trimCount() + now.zeroCount();
    }

    private synchronized void tellPower(PowerReport now) {
        if (!now.state().equals(power.state())) {
            onPower.accept(power, now);
            power = now;
        }
    }

    /** How long requests took lately, given what has been counted by now. */
    List<LatencyReport> latencies(RequestLatencies now) {
        return window.reports(System.nanoTime(), now);
    }

    /** Tells the log of something that was done: a word, a sentence, and fields by name and value. */
    void done(String event, String sentence, Object... fields) {
        DeviceLog telling = log;
        if (telling != null) {
            telling.done(event, sentence, fields);
        }
    }

    /** Tells the log of something that failed. */
    void failed(String event, String sentence, Object... fields) {
        DeviceLog telling = log;
        if (telling != null) {
            telling.failed(event, sentence, fields);
        }
    }

    /** Tells the log what a comparison of RAM with the image found. */
    void verified(VerifyReport report) {
        boolean isClean = report.differingBytes() == 0 && report.unreadableBytes() == 0;
        String sentence = isClean
                ? "RAM and image are the same in all that was compared"
                : String.format(
                        Locale.ROOT,
                        "RAM and image differ in %d bytes, of which %d were repaired; %d could not be read",
                        report.differingBytes(),
                        report.repairedBytes(),
                        report.unreadableBytes());
        Object[] fields = {
            "compared_bytes", report.comparedBytes(),
            "differing_bytes", report.differingBytes(),
            "repaired_bytes", report.repairedBytes(),
            "unreadable_bytes", report.unreadableBytes()
        };
        if (isClean) {
            done("verify-end", sentence, fields);
        } else {
            failed("verify-end", sentence, fields);
        }
    }
}
