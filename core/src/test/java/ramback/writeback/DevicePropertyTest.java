package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;

/** Any sequence of requests leaves the device, and after a stop its image, as the same sequence leaves an array of bytes. */
class DevicePropertyTest {

    enum Kind {
        READ,
        WRITE,
        ZERO,
        TRIM,
        FLUSH,
        MODE,
        LOAD,
        RESTART
    }

    /** Offset and length are parts of what is there, in ten-thousandths, or chunks: whatever the size. */
    record Step(Kind kind, int offset, int length, boolean chunks, boolean flag, boolean force, int number) {}

    /** What stays the same throughout a sequence. */
    record Setting(
            int sizeBytes, int chunkShift, boolean sparse, Mode mode, boolean eager, int dataShare, boolean slow) {}

    @Property(tries = 120, shrinking = ShrinkingMode.BOUNDED)
    void aDeviceIsAnArrayOfBytes(@ForAll("settings") Setting setting, @ForAll("steps") List<Step> steps) {
        new Run(setting).run(steps);
    }

    @Provide
    Arbitrary<Setting> settings() {
        Arbitrary<Integer> sizes = Arbitraries.frequencyOf(
                Tuple.of(
                        2,
                        Arbitraries.of(
                                1,
                                511,
                                4095,
                                4096,
                                4097,
                                64 * 4096,
                                64 * 4096 + 1,
                                (1 << 20) + 37,
                                2 << 20,
                                (3 << 20) + 1)),
                Tuple.of(1, Arbitraries.integers().between(1, 3 << 20)));
        return Combinators.combine(
                        sizes,
                        Arbitraries.frequencyOf(
                                Tuple.of(2, Arbitraries.just(12)),
                                Tuple.of(1, Arbitraries.integers().between(12, 20))),
                        Arbitraries.of(true, false),
                        Arbitraries.of(Mode.UNSAFE, Mode.WRITEBACK, Mode.WRITETHROUGH),
                        Arbitraries.of(true, false),
                        Arbitraries.integers().between(0, 4),
                        Arbitraries.of(true, false))
                .as(Setting::new);
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Kind> kinds = Arbitraries.frequency(
                Tuple.of(6, Kind.READ),
                Tuple.of(10, Kind.WRITE),
                Tuple.of(4, Kind.ZERO),
                Tuple.of(4, Kind.TRIM),
                Tuple.of(2, Kind.FLUSH),
                Tuple.of(2, Kind.MODE),
                Tuple.of(2, Kind.LOAD),
                Tuple.of(1, Kind.RESTART));
        Arbitrary<Step> step = Combinators.combine(
                        kinds,
                        Arbitraries.integers().between(0, 10_000),
                        Arbitraries.integers().between(0, 10_000),
                        Arbitraries.of(true, false),
                        Arbitraries.of(true, false),
                        Arbitraries.of(true, false, false, false),
                        Arbitraries.integers().between(1, 1 << 30))
                .as(Step::new);
        return step.list().ofMinSize(1).ofMaxSize(40);
    }

    /** One sequence. */
    private static final class Run {
        private final Setting setting;
        private final int sizeBytes;
        private final int chunkBytes;
        private final byte[] model;
        private final MemoryBacking backing;
        private Mode mode;
        private Gate gate;
        private DeviceRig rig;
        private RigClient client;

        Run(Setting setting) {
            this.setting = setting;
            this.sizeBytes = setting.sizeBytes();
            this.chunkBytes = 1 << setting.chunkShift();
            this.mode = setting.mode();
            this.backing = new MemoryBacking(sizeBytes);
            this.model = new byte[sizeBytes];
            fillImage();
        }

        /** Data and holes in turn, as a filesystem image has them. */
        private void fillImage() {
            Random random = new Random(sizeBytes);
            try (var arena = java.lang.foreign.Arena.ofConfined()) {
                int block = 3 * 4096;
                for (int at = 0; at < sizeBytes; at += block) {
                    int length = Math.min(block, sizeBytes - at);
                    if (random.nextInt(4) < setting.dataShare()) {
                        byte[] bytes = bytes(random, length);
                        System.arraycopy(bytes, 0, model, at, length);
                        backing.write(
                                at, arena.allocate(length).copyFrom(java.lang.foreign.MemorySegment.ofArray(bytes)));
                    }
                }
                backing.sync();
            } catch (java.io.IOException e) {
                throw new AssertionError(e);
            }
        }

        void run(List<Step> steps) {
            start();
            try {
                for (Step step : steps) {
                    take(step);
                }
                stop();
                checkImage("after the stop");
            } finally {
                rig.close();
            }
        }

        private void start() {
            backing.heal();
            gate = new Gate(call -> call.operation() == Operation.READ);
            if (!setting.slow()) {
                gate.open();
            }
            rig = DeviceRig.over(backing)
                    .chunkBytes(chunkBytes)
                    .sparse(setting.sparse())
                    .mode(mode)
                    .lagNanos(setting.eager() ? 1 : 500_000_000)
                    .limitBytes(setting.eager() ? 1 : 1 << 30)
                    .sessionCountMax(2)
                    .with(gate)
                    .start();
            client = rig.connect();
        }

        private void stop() {
            gate.open();
            rig.stopCleanly();
        }

        private void take(Step step) {
            int offset = part(sizeBytes, step.offset(), step.chunks());
            int length = part(sizeBytes - offset, step.length(), step.chunks());
            if (step.chunks() && step.number() % 3 == 0) {
                length = sizeBytes - offset;
            }
            switch (step.kind()) {
                case READ -> {
                    assertThat(await(client.startRead(offset, length))).isEqualTo(Outcome.DONE);
                    same("read", client.copy(offset, length), Arrays.copyOfRange(model, offset, offset + length));
                }
                case WRITE -> {
                    Random random = new Random(step.number());
                    byte[] bytes = bytes(random, length);
                    int pieceMax = step.flag() ? Integer.MAX_VALUE : 1 + random.nextInt(200_000);
                    done(client.startWrite(offset, bytes, step.force(), random, pieceMax));
                    System.arraycopy(bytes, 0, model, offset, length);
                    checkDurable(step.force(), length);
                }
                case ZERO -> {
                    done(client.startZero(offset, length, step.flag(), step.force()));
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                    checkDurable(step.force(), length);
                }
                case TRIM -> {
                    done(client.startTrim(offset, length, step.force()));
                    int first = (offset + chunkBytes - 1) / chunkBytes * chunkBytes;
                    int end = offset + length == sizeBytes ? sizeBytes : (offset + length) / chunkBytes * chunkBytes;
                    if (first < end) {
                        Arrays.fill(model, first, end, (byte) 0);
                        checkDurable(step.force(), length);
                    }
                }
                case FLUSH -> {
                    done(client.startFlush());
                    if (mode.flushesWait()) {
                        checkImage("after a flush");
                    }
                }
                case MODE -> {
                    mode = List.of(Mode.UNSAFE, Mode.WRITEBACK, Mode.WRITETHROUGH)
                            .get(step.number() % 3);
                    rig.switchMode(mode);
                }
                case LOAD -> gate.letThrough(step.number() % 3);
                case RESTART -> {
                    stop();
                    checkImage("after a restart");
                    start();
                }
            }
        }

        /** Waits for a request; the slow disk works meanwhile, or it would wait for ever. */
        private Outcome await(CompletableFuture<Outcome> request) {
            if (!request.isDone()) {
                gate.letThrough(1 << 20);
            }
            return RigClient.await(request);
        }

        private void done(CompletableFuture<Outcome> request) {
            assertThat(await(request)).isEqualTo(Outcome.DONE);
        }

        private void checkDurable(boolean force, int length) {
            if (length > 0 && (mode.writesWait() || (force && mode.flushesWait()))) {
                checkImage("after it was acknowledged as durable");
            }
        }

        private void checkImage(String when) {
            same(when + ", durable image", backing.durableContent(), model);
            same(when + ", image", backing.content(), model);
        }

        private int part(int ofBytes, int tenThousandths, boolean chunks) {
            int bytes = (int) ((long) ofBytes * tenThousandths / 10_000);
            return chunks ? bytes / chunkBytes * chunkBytes : bytes;
        }
    }

    private static void same(String what, byte[] actual, byte[] expected) {
        int at = Arrays.mismatch(actual, expected);
        assertThat(at)
                .as("%s: first difference of %d bytes", what, expected.length)
                .isEqualTo(-1);
    }

    /** Random, and often the same byte again and again, zero too. */
    private static byte[] bytes(Random random, int length) {
        byte[] bytes = new byte[length];
        if (random.nextInt(4) == 0) {
            Arrays.fill(bytes, (byte) random.nextInt(2));
        } else {
            random.nextBytes(bytes);
        }
        return bytes;
    }
}
