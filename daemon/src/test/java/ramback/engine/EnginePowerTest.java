package ramback.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import ramback.device.DeviceSession;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.power.PowerEvent;

/** A device that scripts tell of its power. */
class EnginePowerTest {

    private static final int IMAGE_BYTES = 256 << 10;
    private static final int PAGE = 4096;
    private static final int FLICKER_COUNT = 300;

    @TempDir
    Path directory;

    private Path ram;

    private final AtomicReference<Orders> orders = new AtomicReference<>(Orders.NONE);

    @BeforeEach
    void makeRam() throws IOException {
        ram = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-power-test-");
    }

    /** Also after a failure, when something is left in it. */
    @AfterEach
    void removeRam() throws IOException {
        try (Stream<Path> left = Files.list(ram)) {
            for (Path file : left.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(ram);
    }

    private Engine start(Mode mode) throws IOException, Refusal {
        Path image = directory.resolve("disk.img");
        if (!Files.exists(image)) {
            Files.write(image, new byte[IMAGE_BYTES]);
        }
        DeviceOptions options = new DeviceOptions(
                new ImageName.Local(image),
                OptionalLong.empty(),
                "disk",
                mode,
                1_000_000_000L,
                new JournalOption(true, null, OptionalLong.of(2L << 20)),
                RamMode.RESERVE,
                PAGE,
                OptionalLong.empty(),
                1 << 20,
                2,
                false,
                false,
                false,
                false,
                false,
                PowerOptions.NONE,
                ram,
                directory.resolve("state"));
        Orders.Keeper keeper = new Orders.Keeper() {
            @Override
            public Orders left() {
                return orders.get();
            }

            @Override
            public void keep(Orders newest) {
                orders.set(newest);
            }
        };
        return Engine.start(options, keeper, WorkProgress.NONE);
    }

    private static void await(Engine engine, Mode mode) {
        await(() -> engine.status().mode() == mode);
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private static void write(DeviceSession session, int page, byte value) {
        assertThat(session.beginWrite((long) page * PAGE, PAGE, false, 1)).isEqualTo(Outcome.DONE);
        MemorySegment staging = session.staging();
        int stored = 0;
        while (stored < PAGE) {
            int available = (int) Math.min(PAGE - stored, staging.byteSize());
            for (int i = 0; i < available; i++) {
                staging.set(ValueLayout.JAVA_BYTE, i, value);
            }
            stored += session.store(0, available);
        }
        Outcome outcome = session.endWrite();
        if (outcome == Outcome.DEFERRED) {
            session.awaitDeferred();
            outcome = session.deferredOutcome();
        }
        assertThat(outcome).isEqualTo(Outcome.DONE);
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void onBatteryItWritesThroughAndOnLineItIsAsConfigured(Mode configured) throws Exception {
        Engine engine = start(configured);
        await(engine, configured);
        assertThat(engine.status().power().state()).isEqualTo("none");
        engine.tellPower(PowerEvent.ON_BATTERY);
        await(engine, Mode.WRITETHROUGH);
        assertThat(engine.status().power().state()).isEqualTo("on-battery");
        assertThat(engine.status().greenLight()).isFalse();
        engine.tellPower(PowerEvent.LOW);
        assertThat(engine.status().power().state()).isEqualTo("low-battery");
        assertThat(engine.status().mode()).isEqualTo(Mode.WRITETHROUGH);
        engine.tellPower(PowerEvent.ON_LINE);
        await(engine, configured);
        await(() -> engine.status().greenLight());
        engine.stop();
    }

    @Test
    void aModeChosenByHandHoldsUntilAutoWhateverThePower() throws Exception {
        Engine engine = start(Mode.CHECKPOINT);
        engine.switchMode(Mode.UNSAFE);
        engine.tellPower(PowerEvent.ON_BATTERY);
        engine.tellPower(PowerEvent.LOW);
        assertThat(engine.status().mode()).isEqualTo(Mode.UNSAFE);
        assertThat(orders.get()).isEqualTo(new Orders(PowerEvent.LOW, Mode.UNSAFE));
        engine.switchModeToAuto();
        assertThat(engine.status().mode()).isEqualTo(Mode.WRITETHROUGH);
        assertThat(orders.get()).isEqualTo(new Orders(PowerEvent.LOW, null));
        engine.stop();
    }

    /** Switches are called off wherever they are: also into {@code unsafe}, between the journal's word and the mode's. */
    @Test
    void aLineThatFlickersLeavesADeviceThatWorksAndStops() throws Exception {
        Random random = new Random(7);
        Engine engine = start(Mode.UNSAFE);
        DeviceSession session = engine.device().openSession();
        for (int i = 0; i < FLICKER_COUNT; i++) {
            engine.tellPower(random.nextBoolean() ? PowerEvent.ON_BATTERY : PowerEvent.ON_LINE);
            write(session, random.nextInt(IMAGE_BYTES / PAGE), (byte) i);
            LockSupport.parkNanos(random.nextInt(3_000_000));
        }
        engine.tellPower(PowerEvent.ON_BATTERY);
        await(engine, Mode.WRITETHROUGH);
        write(session, 3, (byte) 77);
        engine.tellPower(PowerEvent.ON_LINE);
        await(engine, Mode.UNSAFE);
        write(session, 4, (byte) 78);
        // In the middle of the switch, as likely as not.
        engine.tellPower(PowerEvent.ON_BATTERY);
        session.close();
        session.release();
        engine.stop();
        byte[] image = Files.readAllBytes(directory.resolve("disk.img"));
        assertThat(image[3 * PAGE]).isEqualTo((byte) 77);
        assertThat(image[5 * PAGE - 1]).isEqualTo((byte) 78);
    }

    @Test
    void whoGoesOnFromTheMemoryOfAnotherKnowsWhatThatOneWasTold() throws Exception {
        Engine first = start(Mode.WRITEBACK);
        first.tellPower(PowerEvent.ON_BATTERY);
        first.switchMode(Mode.UNSAFE);
        first.handOver(() -> {});
        Engine next = start(Mode.WRITEBACK);
        assertThat(next.status().power().state()).isEqualTo("on-battery");
        await(next, Mode.UNSAFE);
        next.switchModeToAuto();
        assertThat(next.status().mode()).isEqualTo(Mode.WRITETHROUGH);
        next.stop();
        // A clean stop has told everybody; the next start begins with nothing.
        Engine last = start(Mode.WRITEBACK);
        assertThat(last.status().power().state()).isEqualTo("none");
        assertThat(orders.get()).isEqualTo(Orders.NONE);
        last.stop();
    }
}
