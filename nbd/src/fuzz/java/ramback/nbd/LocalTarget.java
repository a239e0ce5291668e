package ramback.nbd;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.device.TooManySessionsException;
import ramback.traffic.Traffic;

/** A server in this process, over devices that are nothing but memory; some of them defer and fail what they like. */
final class LocalTarget implements FuzzTarget {

    private static final int SESSION_COUNT_MAX = 4;
    private static final int DEFERRED_COUNT_MAX = 8;
    /** More than a reply thread takes at once. */
    private static final int BURST_COUNT = 100;

    private static final int GREETING_BYTES = 18;
    private static final int KEPT_BYTES = 8192;
    private static final int[] SIZES = {1, 511, 4096, 65_553, 65_536, 300_001, 1 << 20};
    private static final long WAIT_SECONDS = 60;
    private static final TlsMode[] TLS_MODES = {
        TlsMode.OFF, TlsMode.OFF, TlsMode.OFF, TlsMode.OFF, TlsMode.ALLOW, TlsMode.ALLOW, TlsMode.ALLOW, TlsMode.REQUIRE
    };
    private static final TlsKeys KEYS = makeKeys();

    private final List<RamDevice> devices = new ArrayList<>();
    private final List<Thread> finishers = new ArrayList<>();
    private final Map<DiskModel, RamDevice> deviceOf = new HashMap<>();
    private final List<FuzzExport> exports = new ArrayList<>();
    private final List<DeviceSession> occupied = new ArrayList<>();
    private final Path directory = Files.createTempDirectory("fuzz");
    private final TlsMode tls;
    private final boolean isDropped;
    private final NbdServer server;
    private final NbdClient goodClient;
    private boolean beside;

    /** Makes a server, its exports and their devices as this source of chance has it. */
    LocalTarget(SplittableRandom random) throws IOException {
        List<Export> served = new ArrayList<>();
        int exportCount = random.nextInt(3) == 0 ? 3 : 1;
        for (int i = 0; i < exportCount; i++) {
            Export export = addExport(i, random);
            served.add(export);
            if (random.nextBoolean()) {
                served.add(export.view());
                exports.add(exports.getLast().view());
            }
        }
        ServerLimits limits = new ServerLimits(
                64,
                Duration.ofMinutes(10),
                Duration.ZERO,
                random.nextBoolean() ? PollingLimits.DEFAULT : PollingLimits.OFF);
        tls = TLS_MODES[random.nextInt(TLS_MODES.length)];
        isDropped = random.nextBoolean();
        Traffic traffic = new Traffic();
        server = new NbdServer(served, limits, tls, tls == TlsMode.OFF ? null : KEYS, traffic);
        traffic.recordRequests(random.nextInt(4) == 0);
        server.listenUnix(socket(), tls == TlsMode.REQUIRE);
        Path good = directory.resolve("g");
        server.listenUnix(good);
        goodClient = NbdClient.transmitting(good, exports.getFirst().name());
    }

    private static TlsKeys makeKeys() {
        try {
            Path directory = Files.createTempDirectory("fuzz-keys");
            TestKeys made = TestKeys.make(directory, "server");
            TlsKeys keys = new TlsKeys(made.certificate(), made.key(), null);
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(directory);
            return keys;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Export addExport(int number, SplittableRandom random) {
        int sizeBytes = SIZES[random.nextInt(SIZES.length)];
        int chunkBytes = new int[] {4096, 4096, 65_536, 1 << 20}[random.nextInt(4)];
        boolean readOnly = number > 0 && random.nextBoolean();
        FuzzExport.Faults faults = new FuzzExport.Faults(random.nextInt(3) == 0, random.nextInt(3) == 0, false);
        byte[] contents = new byte[sizeBytes];
        random.nextBytes(contents);
        for (int holes = random.nextInt(6); holes > 0; holes--) {
            int begin = random.nextInt(sizeBytes);
            Arrays.fill(contents, begin, random.nextInt(begin, sizeBytes) + 1, (byte) 0);
        }
        int togetherCount = random.nextInt(4) == 0 ? BURST_COUNT : DEFERRED_COUNT_MAX / 2;
        String name = number == 0 ? "disk" : "disk-" + number;
        RamDevice device = new RamDevice(
                name, Arena.ofAuto().allocate(sizeBytes), chunkBytes, readOnly, SESSION_COUNT_MAX, 2 * togetherCount);
        MemorySegment.copy(contents, 0, device.memory, ValueLayout.JAVA_BYTE, 0, sizeBytes);
        device.logging = false;
        device.direct = random.nextBoolean();
        device.tellsStates = random.nextInt(4) > 0;
        if (faults.failing()) {
            device.failWith = request -> {
                Outcome outcome = faults.atOnce(request.offsetBytes(), request.lengthBytes());
                return outcome == Outcome.DONE ? null : outcome;
            };
        }
        if (faults.deferring()) {
            device.deferWhere = request -> faults.isDeferred(request.offsetBytes(), request.lengthBytes());
            SplittableRandom order = random.split();
            finishers.add(Thread.ofPlatform()
                    .daemon()
                    .name("fuzz-finisher")
                    .start(() -> finishInAnyOrder(device, faults, togetherCount, order)));
        }
        devices.add(device);
        BooleanSupplier isBeside = number == 0 ? () -> beside : () -> false;
        int keptBegin = sizeBytes < 4 * KEPT_BYTES ? 0 : sizeBytes / 2;
        int keptEnd = sizeBytes < 4 * KEPT_BYTES ? 0 : keptBegin + KEPT_BYTES;
        String description = number == 1 ? "" : "a disk to be fuzzed";
        long generation = random.nextInt(3);
        DiskModel disk = new DiskModel(contents);
        deviceOf.put(disk, device);
        exports.add(new FuzzExport(
                name,
                description,
                generation,
                chunkBytes,
                readOnly,
                false,
                true,
                disk,
                faults,
                keptBegin,
                keptEnd,
                isBeside,
                false));
        return new Export(name, description, device, generation);
    }

    private static void finishInAnyOrder(
            RamDevice device, FuzzExport.Faults faults, int togetherCount, SplittableRandom random) {
        List<RamDevice.Waiting> kept = new ArrayList<>();
        try {
            while (true) {
                RamDevice.Waiting next = device.waiting.take();
                while (next != null) {
                    kept.add(next);
                    next = kept.size() < togetherCount ? device.waiting.poll(1, TimeUnit.MILLISECONDS) : null;
                }
                while (!kept.isEmpty()) {
                    RamDevice.Waiting one = kept.remove(random.nextInt(kept.size()));
                    one.finish(faults.atLast(
                            one.request().offsetBytes(), one.request().lengthBytes()));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The device of the first export. */
    RamDevice firstDevice() {
        return devices.getFirst();
    }

    @Override
    public Path socket() {
        return directory.resolve("s");
    }

    @Override
    public List<FuzzExport> exports() {
        return exports;
    }

    @Override
    public TlsMode tls() {
        return tls;
    }

    @Override
    public NbdClient goodClient() {
        return goodClient;
    }

    @Override
    public boolean canRefuse() {
        return true;
    }

    @Override
    public void prepare(Reading.Availability availability, boolean newBeside) {
        beside = newBeside;
        for (RamDevice device : devices) {
            device.stopping = availability == Reading.Availability.STOPPING;
        }
        release();
        if (availability == Reading.Availability.FULL) {
            devices.forEach(this::occupy);
        }
    }

    private void occupy(RamDevice device) {
        try {
            while (true) {
                occupied.add(device.openSession());
            }
        } catch (TooManySessionsException e) {
            // What was wanted.
        }
    }

    private void release() {
        for (DeviceSession session : occupied) {
            session.close();
            session.release();
            session.release();
        }
        occupied.clear();
    }

    @Override
    public void awaitAlone() {
        await("a client is left that has gone", () -> server.connectionCount() <= 1 && openSessionCount() <= 1);
        await("the good client is no client any more", () -> server.clientCount() == 1);
    }

    private int openSessionCount() {
        return devices.stream()
                        .mapToInt(device -> device.openSessionCount.get())
                        .sum()
                - occupied.size();
    }

    private static void await(String failure, BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + WAIT_SECONDS * 1_000_000_000;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadlineNanos) {
                throw new FuzzFailure(failure + " " + WAIT_SECONDS + " s ago");
            }
            Thread.yield();
        }
    }

    @Override
    public MemorySegment contents(FuzzExport export) {
        return Objects.requireNonNull(deviceOf.get(export.disk())).memory;
    }

    @Override
    public void close() throws IOException {
        release();
        try (NbdClient silent = NbdClient.connect(socket())) {
            silent.receive(GREETING_BYTES);
            if (isDropped) {
                server.drop("the round is over");
            } else {
                server.close();
            }
            silent.expectClosed();
            goodClient.expectClosed();
        }
        goodClient.close();
        finishers.forEach(Thread::interrupt);
        await("a session was left open", () -> openSessionCount() == 0);
        Files.delete(directory);
    }
}
