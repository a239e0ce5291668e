package ramback.control;

import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachedDisk;
import ramback.attach.Via;
import ramback.device.Mode;
import ramback.engine.DeviceState;
import ramback.power.PowerState;
import ramback.traffic.LatencyHistogram;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;

/**
 * A status as metrics of Prometheus, by its conventions: base units, {@code _total} behind what only grows, and 0 or 1 in a series
 * for each value of what is a word in the status. docs/metrics.md lists them; a test holds it to this class.
 */
final class DeviceMetrics {

    private static final String PREFIX = "ramback_";
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double MICROS_PER_SECOND = 1e6;
    private static final double PERCENT = 100;

    /** Bounds of request latencies: powers of two of nanoseconds from 2 µs to 34 s, and half-way between them up to 1 ms. */
    private static final int BOUND_SHIFT_MIN = 11;

    private static final int BOUND_SHIFT_MAX = 35;
    private static final int HALVED_SHIFT_MAX = 20;

    private final StatusReport status;
    private final String device;
    private final Exposition page;

    private DeviceMetrics(StatusReport status, Exposition page) {
        this.status = status;
        this.device = Exposition.label("device", status.name());
        this.page = page;
    }

    /** Writes all metrics of one moment. */
    static void write(Exposition page, StatusReport status, RequestLatencies latencies, ProcessMetrics process) {
        DeviceMetrics metrics = new DeviceMetrics(status, page);
        metrics.addStanding();
        metrics.addContent();
        metrics.addDurability();
        metrics.addDisks();
        metrics.addPower();
        metrics.addWork();
        metrics.addRequests(latencies);
        metrics.addService();
        metrics.addProcess(process);
    }

    // ------------------------------------------------------------------------------------------- what it stands at

    private void addStanding() {
        page.family(PREFIX + "build", Exposition.Type.INFO, "The daemon's version and the Java that runs it.");
        page.sample(
                labels(
                        device,
                        Exposition.label("version", version()),
                        Exposition.label("java", Runtime.version().toString())),
                1);
        page.family(
                PREFIX + "device",
                Exposition.Type.INFO,
                "Where the device is served, and where its image and journal are.");
        page.sample(
                labels(
                        device,
                        Exposition.label("uri", status.uri()),
                        Exposition.label("image", status.backingUri()),
                        Exposition.label("journal", status.journalPath() == null ? "" : status.journalPath())),
                1);
        states(
                "light",
                "The light: 1 for its colour, 0 for the others.",
                status.light(),
                words(Light.values(), Light::word));
        states(
                "state",
                "What the device is busy with: 1 for that, 0 for the others.",
                status.state(),
                words(DeviceState.values(), DeviceState::word));
        states(
                "mode",
                "The mode in force: 1 for that, 0 for the others.",
                status.mode(),
                words(Mode.values(), Mode::word));
        states(
                "configured_mode",
                "The mode that it was started with: 1 for that, 0 for the others.",
                status.configuredMode(),
                words(Mode.values(), Mode::word));
        flag(
                "mode_by_hand",
                "Whether somebody chose the mode, so that the power does not change it.",
                status.modeByHand());
        addAttached(status.attached());
        flag("read_only", "Whether the device takes no writes.", status.readOnly());
        flag("trace_on", "Whether the trace is on.", status.trace());
        gauge("uptime_seconds", "For how long the daemon has been serving.", status.uptimeSeconds());
    }

    /** What nobody serves any more is not attached. */
    private void addAttached(@Nullable AttachedDisk attached) {
        page.family(
                PREFIX + "attached",
                Exposition.Type.GAUGE,
                "Whether the device is attached to this machine: 1 for the way, 0 for the others.");
        for (Via via : Via.values()) {
            boolean isThis =
                    attached != null && !attached.isLeft() && attached.via().equals(via.word());
            page.sample(labels(device, Exposition.label("via", via.word())), isThis ? 1 : 0);
        }
    }

    private static String version() {
        var module = DeviceMetrics.class.getModule().getDescriptor();
        return module == null ? "" : module.rawVersion().orElse("");
    }

    private void addContent() {
        gauge("size_bytes", "The device's size.", status.sizeBytes());
        gauge("chunk_bytes", "The size of a chunk.", status.chunkBytes());
        gauge("chunks", "How many chunks the device has.", status.chunks());
        gauge("loaded_chunks", "How many of them are in RAM.", status.loadedChunks());
        gauge("load_remaining_bytes", "What is still to be loaded.", status.loadRemainingBytes());
        gauge(
                "load_bytes_per_second",
                "How fast the image is being loaded, over the last second or two.",
                status.loadBytesPerSecond());
        gauge("dirty_chunks", "Chunks whose newest content is not yet durable in the image.", status.dirtyChunks());
        gauge("dirty_bytes", "The same in bytes.", status.dirtyBytes());
        gauge("dirty_limit_bytes", "How much may be dirty before writers wait.", status.dirtyMaxBytes());
        counter("saved_chunks", "Chunks carried to the image, counted each time.", status.savedChunks());
        flag("throttling", "Whether writes are being slowed down.", status.throttling());
        gauge(
                "export_generation",
                "How often a start had to go on without acknowledged writes.",
                status.exportGeneration());
    }

    // -------------------- what would be lost, and disks

    private void addDurability() {
        gauge(
                "loss_bytes",
                "What a power failure at this moment would lose; in unsafe the whole device.",
                status.lossBytes());
        gauge(
                "loss_seconds",
                "The age of the oldest change that it would lose; in unsafe since the image was last whole.",
                status.lossSeconds());
        gauge("interval_seconds", "How old the durable image may be in checkpoint mode.", status.intervalSeconds());
        gauge(
                "committed_epoch",
                "The newest durable epoch, 0 while nothing was committed since the start.",
                status.commitEpoch());
        if (status.commitTime() != null) {
            gauge(
                    "last_commit_timestamp_seconds",
                    "When that became durable, since 1970.",
                    Instant.parse(status.commitTime()).toEpochMilli() / 1e3);
        }
        if (status.journalPath() != null) {
            gauge("journal_size_bytes", "The size of the journal's file.", status.journalSizeBytes());
            gauge("journal_used_bytes", "How much of it the image still lacks.", status.journalUsedBytes());
        }
    }

    private void addDisks() {
        counter("disk_errors", "Failed calls to the disks of image and journal.", status.backingErrors());
        flag(
                "disk_failing",
                "Whether something is wrong with the image's or the journal's disk now.",
                status.backingFailing() != null);
        gauge(
                "image_write_bytes_per_second",
                "How fast the image is being written, over the last second or two.",
                status.backingWriteBytesPerSecond());
        gauge(
                "image_changed_bytes",
                "What of the image somebody else changed since its clean stop, and is not served.",
                status.backingChangedBytes());
        flag("image_direct_io", "Whether the image is read and written past the page cache.", status.directIo());
    }

    private void addPower() {
        PowerReport power = status.power();
        states(
                "power",
                "How the machine is powered, as far as anybody says: 1 for that, 0 for the others.",
                power.state(),
                words(PowerState.values(), PowerState::word));
        gauge("power_state_seconds", "For how long that has been so.", power.sinceSeconds());
        gauge("power_to_save_bytes", "What would have to be written if the power went now.", power.toSaveBytes());
        gaugeIfKnown("power_drain_seconds", "How long that would take.", power.drainSeconds());
        gaugeIfKnown(
                "battery_runtime_seconds",
                "For how long the battery would carry the machine.",
                power.batteryRuntimeSeconds());
        Double percent = power.batteryChargePercent();
        gaugeIfKnown(
                "battery_charge_ratio", "How full the battery is, 0 to 1.", percent == null ? null : percent / PERCENT);
    }

    // ---------------------------------------------------------------------------------------------- what is under way

    private void addWork() {
        flag("snapshot_running", "Whether a snapshot is being taken.", status.snapshotPath() != null);
        gauge("snapshot_done_bytes", "How much of the device it has been around.", status.snapshotDoneBytes());
        flag("verify_running", "Whether RAM is being compared with the image.", status.verifying());
        gauge("verify_done_bytes", "How much of the device that has been around.", status.verifyDoneBytes());
        gauge("verify_differing_bytes", "What of that differs.", status.verifyDifferingBytes());
        waits("lock_wait_seconds", "How long writers waited for a chunk's lock.", status.lockWaits());
        waits("ring_wait_seconds", "How long writers waited for room for a captured version.", status.ringWaits());
    }

    private void addRequests(RequestLatencies latencies) {
        gauge(
                "clients",
                "Clients that are connected: by NBD, and one for a ublk device or a FUSE directory.",
                status.clients());
        gauge("waiting_requests", "Requests that wait for a load, for room or for a commit.", status.inflight());
        page.family(PREFIX + "requests", Exposition.Type.COUNTER, "Requests that were accepted, by kind.");
        page.sample(kind(RequestKind.READ), (double) status.readCount());
        page.sample(kind(RequestKind.WRITE), (double) status.writeCount());
        page.sample(kind(RequestKind.FLUSH), (double) status.flushCount());
        page.sample(kind(RequestKind.TRIM), (double) status.trimCount());
        page.sample(kind(RequestKind.ZERO), (double) status.zeroCount());
        page.family(PREFIX + "request_bytes", Exposition.Type.COUNTER, "Bytes that reads and writes asked for.");
        page.sample(kind(RequestKind.READ), (double) status.readBytes());
        page.sample(kind(RequestKind.WRITE), (double) status.writeBytes());
        counter("request_failures", "Requests that were answered with an error.", status.failedCount());
        page.family(
                PREFIX + "request_duration_seconds",
                Exposition.Type.HISTOGRAM,
                "How long requests took, from when they were received until their answer was handed over, by kind.");
        for (RequestKind kind : RequestKind.SHOWN) {
            durations(latencies.of(kind), kind(kind));
        }
    }

    private String kind(RequestKind kind) {
        return labels(device, Exposition.label("kind", kind.word()));
    }

    private void durations(LatencyHistogram histogram, String labels) {
        for (int shift = BOUND_SHIFT_MIN; shift <= BOUND_SHIFT_MAX; shift++) {
            long power = 1L << shift;
            bucket(labels, power / NANOS_PER_SECOND, histogram.countUpTo(power));
            if (shift < HALVED_SHIFT_MAX) {
                long half = power + power / 2;
                bucket(labels, half / NANOS_PER_SECOND, histogram.countUpTo(half));
            }
        }
        bucket(labels, Double.POSITIVE_INFINITY, histogram.count());
        page.sample("_count", labels, (double) histogram.count());
        page.sample("_sum", labels, histogram.sumNanos() / NANOS_PER_SECOND);
    }

    private void bucket(String labels, double bound, long countUpTo) {
        page.sample("_bucket", labels(labels, Exposition.label("le", Exposition.bound(bound))), (double) countUpTo);
    }

    /** Counts by powers of two of microseconds, the last of what took longer; how long all of it took together is not known. */
    private void waits(String name, String help, List<Long> waits) {
        page.family(PREFIX + name, Exposition.Type.HISTOGRAM, help);
        long sum = 0;
        for (int i = 0; i < waits.size(); i++) {
            sum += waits.get(i);
            if (i < waits.size() - 1) {
                bucket(device, (double) (1L << i) / MICROS_PER_SECOND, sum);
            }
        }
        bucket(device, Double.POSITIVE_INFINITY, sum);
        if (!page.isOpenMetrics()) {
            page.sample("_count", device, (double) sum); // which OpenMetrics allows only beside a sum
        }
    }

    // -------------------- the process

    private void addService() {
        ProcessReport process = status.process();
        flag("io_flusher", "Whether the daemon's threads get memory without waiting for I/O.", process.ioFlusher());
        states(
                "memory_locked",
                "How much of the device's memory can't be swapped out: 1 for that, 0 for the others.",
                process.memoryLocked(),
                List.of("all", "states", "none"));
        gauge(
                "oom_score_adjust",
                "How much earlier or later than by its size the daemon is killed.",
                process.oomScoreAdjust());
        gauge(
                "warnings",
                "What threatens the daemon or the device's memory, as status says it.",
                process.warnings().size());
    }

    private void addProcess(ProcessMetrics process) {
        if (!Double.isNaN(process.cpuSeconds())) {
            page.family(
                    "process_cpu_seconds", Exposition.Type.COUNTER, "Total user and system CPU time spent in seconds.");
            page.sample("", process.cpuSeconds());
        }
        bare(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                process.startSeconds());
        bare("process_resident_memory_bytes", "Resident memory size in bytes.", process.residentBytes());
        bare("process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtualBytes());
        bare("process_open_fds", "Number of open file descriptors.", process.openFiles());
        bare("process_max_fds", "Maximum number of open file descriptors.", process.maxFiles());
        bare("process_threads", "Number of OS threads in the process.", process.threads());
        bare("jvm_memory_heap_used_bytes", "Java heap in use.", process.heapBytes());
        bare("jvm_memory_heap_max_bytes", "How large the Java heap may get.", process.heapMaxBytes());
        page.family(
                "jvm_gc_collection_seconds",
                Exposition.Type.SUMMARY,
                "Time spent in a given JVM garbage collector in seconds.");
        for (ProcessMetrics.Collector collector : process.collectors()) {
            String labels = Exposition.label("gc", collector.name());
            page.sample("_count", labels, (double) collector.count());
            page.sample("_sum", labels, collector.seconds());
        }
    }

    // --------------------------------------------------------------------------------------------------------- kinds

    private static String labels(String... labels) {
        return String.join(",", labels);
    }

    private void gauge(String name, String help, double value) {
        page.family(PREFIX + name, Exposition.Type.GAUGE, help);
        page.sample(device, value);
    }

    /** A count; as a double it is exact up to 2^53. */
    private void gauge(String name, String help, long value) {
        gauge(name, help, (double) value);
    }

    private void gaugeIfKnown(String name, String help, @Nullable Double value) {
        if (value != null) {
            gauge(name, help, value);
        }
    }

    private void bare(String name, String help, double value) {
        if (!Double.isNaN(value)) {
            page.family(name, Exposition.Type.GAUGE, help);
            page.sample("", value);
        }
    }

    private void flag(String name, String help, boolean value) {
        gauge(name, help, value ? 1.0 : 0.0);
    }

    private void counter(String name, String help, long value) {
        page.family(PREFIX + name, Exposition.Type.COUNTER, help);
        page.sample(device, (double) value);
    }

    /** A series for each word, of which one is 1. */
    private void states(String name, String help, String current, List<String> words) {
        String key = name.substring(name.lastIndexOf('_') + 1);
        page.family(PREFIX + name, Exposition.Type.GAUGE, help);
        for (String word : words) {
            page.sample(labels(device, Exposition.label(key, word)), word.equals(current) ? 1 : 0);
        }
    }

    private static <T> List<String> words(T[] values, Function<T, String> word) {
        return Stream.of(values).map(word).toList();
    }
}
