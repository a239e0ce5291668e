package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.clock.ManualClock;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.device.TooManySessionsException;
import ramback.image.Admission;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.journal.NoJournal;

/** The curve by which writes are delayed, and what becomes of writes that are. */
class ThrottleTest {
    private static final int CHUNK = 4096;
    private static final int LIMIT_CHUNKS = 1000;

    private final ManualClock clock = new ManualClock();
    private final DirtyCount dirty = new DirtyCount();
    private final AtomicInteger pressures = new AtomicInteger();
    private final Throttle throttle = throttle(dirty, pressures::incrementAndGet);

    private Throttle throttle(DirtyCount count, Runnable onPressure) {
        Signal sealer = new Signal(clock);
        return new Throttle(
                new Standing(clock, new Epochs(1, clock, sealer::raise), sealer, () -> {}),
                count,
                CHUNK,
                new NoJournal(),
                new Versions(clock, CHUNK, 0),
                (long) LIMIT_CHUNKS * CHUNK,
                () -> {},
                onPressure);
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    /** How long a store of so many chunks is told to wait when so many are dirty. */
    private long delayNanos(long dirtyChunks, long chunkCount) {
        DirtyCount count = new DirtyCount();
        Throttle own = throttle(count, () -> {});
        own.noteRate(CHUNK * 1000.0);
        count.reserve(dirtyChunks, LIMIT_CHUNKS, Long.MAX_VALUE);
        long admitted = own.admit(chunkCount, false);
        assertThat(admitted).isNotNegative();
        return admitted == Admission.GO ? 0 : admitted - clock.nanoTime();
    }

    @Test
    void nobodyWaitsBelowSixtyPercent() {
        for (int i = 0; i < LIMIT_CHUNKS * 60 / 100; i++) {
            assertThat(throttle.admit(1, false)).isEqualTo(Admission.GO);
        }
        assertThat(pressures).hasValue(0);
        assertThat(throttle.isThrottling()).isFalse();
    }

    @Test
    void delaysFollowTheCurve() {
        // One chunk takes write-behind 1 ms; the factor is (d − m) / (max − d).
        assertThat(delayNanos(700, 1)).isEqualTo(1_000_000L * 100 / 300);
        assertThat(delayNanos(800, 1)).isEqualTo(1_000_000L);
        assertThat(delayNanos(900, 1)).isEqualTo(3_000_000L);
        assertThat(delayNanos(900, 4)).isEqualTo(12_000_000L);
        assertThat(delayNanos(998, 1)).isEqualTo(100_000_000L);
    }

    @Test
    void delaysGrowWithWhatIsDirty() {
        long before = -1;
        for (int dirtyChunks = 0; dirtyChunks < LIMIT_CHUNKS; dirtyChunks++) {
            long delay = delayNanos(dirtyChunks, 1);
            assertThat(delay).isGreaterThanOrEqualTo(before);
            before = delay;
        }
    }

    @Test
    void delayedWritesTakeTurnsOnOneClock() {
        throttle.noteRate(CHUNK * 1000.0);
        dirty.reserve(800, LIMIT_CHUNKS, Long.MAX_VALUE);
        long begin = clock.nanoTime();
        for (int i = 1; i <= 10; i++) {
            assertThat(throttle.admit(1, false)).isEqualTo(begin + i * 1_000_000L);
        }
        clock.pass(1_000_000_000L);
        // What nobody used is not saved up.
        assertThat(throttle.admit(1, false)).isEqualTo(clock.nanoTime() + 1_000_000L);
        assertThat(throttle.isThrottling()).isTrue();
        clock.pass(1_000_000_001L);
        assertThat(throttle.isThrottling()).isFalse();
    }

    @Test
    void whoeverWaitsHasNothingReserved() {
        dirty.reserve(900, LIMIT_CHUNKS, Long.MAX_VALUE);
        assertThat(throttle.admit(1, false)).isPositive();
        assertThat(dirty.dataChunkCount()).isEqualTo(900);
        assertThat(throttle.admit(1, true)).isEqualTo(Admission.GO);
        assertThat(dirty.dataChunkCount()).isEqualTo(901);
    }

    @Test
    void withoutRoomEverybodyAsksAgainAndWriteBehindHurries() {
        dirty.reserve(LIMIT_CHUNKS, LIMIT_CHUNKS, Long.MAX_VALUE);
        for (boolean isDelayed : new boolean[] {false, true}) {
            long admitted = throttle.admit(1, isDelayed);
            assertThat(admitted).isNegative();
            assertThat(-admitted).isGreaterThan(clock.nanoTime());
        }
        assertThat(pressures).hasValue(2);
        assertThat(dirty.dataChunkCount()).isEqualTo(LIMIT_CHUNKS);
    }

    @Test
    void withoutALimitNobodyWaitsAndNobodyHurries() {
        throttle.setLimit(Throttle.UNLIMITED);
        for (int i = 0; i < 20; i++) {
            assertThat(throttle.admit(1L << 30, false)).isEqualTo(Admission.GO);
        }
        assertThat(dirty.dataChunkCount()).isEqualTo(20L << 30);
        assertThat(pressures).hasValue(0);
        assertThat(throttle.limitBytes()).isGreaterThan(Long.MAX_VALUE - CHUNK);
        throttle.setLimit((long) LIMIT_CHUNKS * CHUNK);
        assertThat(throttle.admit(1, false)).as("the limit is back at once").isNegative();
    }

    @Test
    void theLimitIsNeverLessThanARunAndSomeRoomToWork() {
        throttle.setLimit(1);
        assertThat(throttle.limitBytes()).isEqualTo((long) WriteBehind.DIRTY_CHUNKS_MIN * CHUNK);
    }

    @Test
    void aClientThatReadsNoRepliesDoesNotKeepOthersFromWriting() throws TooManySessionsException {
        MemoryBacking backing = new MemoryBacking(16 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                        .mode(Mode.UNSAFE)
                        .lagNanos(1_000_000)
                        .limitBytes(1)
                        .start();
                RigClient stalled = RigClient.notReading(rig.device)) {
            rig.awaitLoaded();
            rig.writeBehind.throttle().noteRate(1);
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            for (int i = 0; i < 200; i++) {
                // Let what was stored become clean now and then, so that the stalled client gets at more room.
                if (i % 50 == 49) {
                    gate.letThrough(1000);
                    rig.awaitClean();
                }
                stalled.startWrite((long) i * CHUNK, filled(CHUNK, i), false);
            }
            gate.open();
            rig.awaitClean();
            assertThat(stalled.waitingCount()).isPositive();
            RigClient other = rig.connect();
            assertThat(other.write(1 << 20, filled(64 << 10, 1))).isEqualTo(Outcome.DONE);
            assertThat(other.flush()).isEqualTo(Outcome.DONE);
        }
    }

    @Test
    void parkedWritesHaveAllOfTheirRing() throws InterruptedException {
        MemoryBacking backing = new MemoryBacking(16 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                .mode(Mode.UNSAFE)
                .lagNanos(1_000_000)
                .limitBytes(1)
                .start()) {
            rig.awaitLoaded();
            rig.hold(call -> call.operation() == Operation.WRITE);
            RigClient client = rig.connect();
            AtomicInteger issued = new AtomicInteger();
            Thread issuing = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 100; i++) {
                    client.startWrite((long) i * (64 << 10), filled(64 << 10, i), false);
                    issued.incrementAndGet();
                }
            });
            try {
                // Two or three are stored before the throttle, and 1 MiB of payload is parked, before the thread must
                // wait.
                DeviceRig.awaitTrue("1 MiB of payload is parked", () -> issued.get() >= 2 + 16);
            } finally {
                client.session().close();
                issuing.join();
            }
        }
    }

    @Test
    void whatADepartedClientWasWaitingWithIsForgotten() {
        MemoryBacking backing = new MemoryBacking(16 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                .mode(Mode.UNSAFE)
                .lagNanos(1_000_000)
                .limitBytes(1)
                .start()) {
            rig.awaitLoaded();
            rig.writeBehind.throttle().noteRate(1);
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            RigClient client = rig.connect();
            for (int i = 0; i < 100; i++) {
                client.startWrite((long) i * CHUNK, filled(CHUNK, i), false);
            }
            assertThat(client.waitingCount()).isPositive();
            client.close();
            assertThat(rig.device.waitingCount()).isZero();
            gate.open();
            rig.awaitClean();
            assertThat(rig.dirty.dataChunkCount()).isZero();
            rig.stopCleanly();
        }
    }
}
