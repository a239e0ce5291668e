package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;

/**
 * Many sessions write stamps over each other while the image is loaded, sealed and written. Every chunk, in RAM and in
 * the image at every moment, is one whole write of somebody, and in the end the last of somebody.
 */
class ManyWritersTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 512;
    private static final int WRITER_COUNT = 4;

    /** Who wrote a chunk, and his how manieth write it was: in every 8 bytes of it. */
    private static long stamp(int writer, int sequence) {
        return ((long) writer + 1) << 32 | sequence;
    }

    /** The stamp of a chunk that bears one throughout, 0 for zeroes; -1 for a mixture. */
    private static long stampOf(byte[] device, int chunk, int chunkBytes) {
        ByteBuffer buffer = ByteBuffer.wrap(device, chunk * chunkBytes, chunkBytes);
        long first = buffer.getLong();
        while (buffer.remaining() > 0) {
            if (buffer.getLong() != first) {
                return -1;
            }
        }
        return first;
    }

    private static final class Writer implements Runnable {
        private final int number;
        private final RigClient client;
        private final int chunkBytes;
        private final int chunkCount;
        private final int writeCount;
        private final MemoryBacking backing;
        private final DeviceRig rig;
        /** The last write that was acknowledged, chunk by chunk; 0 is none. */
        private final long[] lasts;

        Writer(int number, DeviceRig rig, int writeCount) {
            this.number = number;
            this.rig = rig;
            this.client = rig.connect();
            this.backing = rig.memoryBacking();
            this.chunkBytes = rig.device.chunkBytes();
            this.chunkCount = (int) rig.store.layout().chunkCount();
            this.writeCount = writeCount;
            this.lasts = new long[chunkCount];
        }

        @Override
        public void run() {
            Random random = new Random(number);
            for (int sequence = 1; sequence <= writeCount; sequence++) {
                int chunk = random.nextInt(chunkCount);
                int count = 1 + random.nextInt(Math.min(40, chunkCount - chunk));
                if (random.nextInt(8) == 0) {
                    done(client.startTrim((long) chunk * chunkBytes, (long) count * chunkBytes, false));
                    note(chunk, count, 0);
                } else {
                    ByteBuffer bytes = ByteBuffer.allocate(count * chunkBytes);
                    while (bytes.remaining() > 0) {
                        bytes.putLong(stamp(number, sequence));
                    }
                    boolean force = random.nextInt(50) == 0;
                    done(client.startWrite((long) chunk * chunkBytes, bytes.array(), force, random, 300_000));
                    note(chunk, count, stamp(number, sequence));
                }
                if (random.nextInt(40) == 0) {
                    flush();
                }
            }
        }

        private void note(int chunk, int count, long stamp) {
            java.util.Arrays.fill(lasts, chunk, chunk + count, stamp);
        }

        private static void done(CompletableFuture<Outcome> request) {
            assertThat(RigClient.await(request)).isEqualTo(Outcome.DONE);
        }

        /** What a flush covers is never older, in the durable image, than what its session wrote last. */
        private void flush() {
            int switchCount = rig.modeSwitchCount();
            boolean waits = rig.device.mode().flushesWait();
            done(client.startFlush());
            if (!waits || rig.modeSwitchCount() != switchCount) {
                return;
            }
            byte[] durable = backing.durableContent();
            for (int chunk = 0; chunk < chunkCount; chunk++) {
                long stamp = stampOf(durable, chunk, chunkBytes);
                assertThat(stamp).as("chunk %d of the durable image", chunk).isNotEqualTo(-1);
                if (stamp >>> 32 == number + 1) {
                    long last = lasts[chunk];
                    assertThat(stamp & 0xffff_ffffL)
                            .as("chunk %d of the durable image after a flush", chunk)
                            .isGreaterThanOrEqualTo(last & 0xffff_ffffL);
                }
            }
        }
    }

    private static void runAll(List<? extends Runnable> tasks) {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = tasks.stream()
                .map(task -> Thread.ofPlatform().start(() -> {
                    try {
                        task.run();
                    } catch (Throwable e) {
                        failure.compareAndSet(null, e);
                    }
                }))
                .toList();
        for (Thread thread : threads) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
        if (failure.get() != null) {
            throw new AssertionError(failure.get());
        }
    }

    /** The image of stamps of a writer that nobody is: what must be loaded before it can be read or partly written. */
    private static MemoryBacking stampedImage(int chunkBytes, int chunkCount) {
        ByteBuffer bytes = ByteBuffer.allocate(chunkBytes * chunkCount);
        while (bytes.remaining() > 0) {
            bytes.putLong(stamp(99, 1));
        }
        return MemoryBacking.holding(bytes.array());
    }

    private static void checkEnd(DeviceRig rig, List<Writer> writers) {
        int chunkBytes = rig.device.chunkBytes();
        int chunkCount = (int) rig.store.layout().chunkCount();
        byte[] ram = rig.connect().read(0, chunkBytes * chunkCount);
        for (int chunk = 0; chunk < chunkCount; chunk++) {
            long stamp = stampOf(ram, chunk, chunkBytes);
            int at = chunk;
            boolean untouched = writers.stream().allMatch(writer -> writer.lasts[at] == 0);
            List<Long> allowed = new ArrayList<>();
            writers.forEach(writer -> allowed.add(writer.lasts[at]));
            if (untouched) {
                allowed.add(stamp(99, 1));
            }
            assertThat(allowed).as("stamps allowed for chunk %d", chunk).contains(stamp);
        }
        MemoryBacking backing = rig.memoryBacking();
        rig.stopCleanly();
        assertThat(backing.durableContent()).isEqualTo(ram);
        assertThat(backing.content()).isEqualTo(ram);
    }

    @ParameterizedTest
    @CsvSource({
        "4096, false, UNSAFE, 1, 1073741824",
        "4096, true, WRITEBACK, 1, 1073741824",
        "4096, false, WRITEBACK, 1000000, 1",
        "4096, true, WRITETHROUGH, 1, 1",
        "65536, false, WRITEBACK, 100000, 1073741824",
        "65536, true, UNSAFE, 1, 1"
    })
    void everyChunkIsOneWholeWriteAndTheImageIsWhatRamIs(
            int chunkBytes, boolean sparse, Mode mode, long lagNanos, long limitBytes) {
        int chunkCount = Math.min(CHUNK_COUNT, (8 << 20) / chunkBytes);
        MemoryBacking backing = stampedImage(chunkBytes, chunkCount);
        try (DeviceRig rig = DeviceRig.over(backing)
                .chunkBytes(chunkBytes)
                .sparse(sparse)
                .mode(mode)
                .lagNanos(lagNanos)
                .limitBytes(limitBytes)
                .start()) {
            List<Writer> writers = new ArrayList<>();
            for (int i = 0; i < WRITER_COUNT; i++) {
                writers.add(new Writer(i, rig, chunkBytes > CHUNK ? 60 : mode == Mode.WRITETHROUGH ? 150 : 400));
            }
            runAll(writers);
            checkEnd(rig, writers);
        }
    }

    @Test
    void modesSwitchUnderLoadInEveryDirection() {
        MemoryBacking backing = stampedImage(CHUNK, CHUNK_COUNT);
        try (DeviceRig rig = DeviceRig.over(backing).lagNanos(1).start()) {
            List<Writer> writers = new ArrayList<>();
            for (int i = 0; i < WRITER_COUNT - 1; i++) {
                writers.add(new Writer(i, rig, 500));
            }
            AtomicBoolean over = new AtomicBoolean();
            Thread switcher = Thread.ofPlatform().start(() -> {
                Random random = new Random(5);
                List<Mode> modes = List.of(Mode.WRITETHROUGH, Mode.WRITEBACK, Mode.UNSAFE);
                long seen = -1;
                while (!over.get()) {
                    rig.switchMode(modes.get(random.nextInt(3)));
                    long before = seen;
                    DeviceRig.awaitTrue("another commit", () -> over.get() || rig.writeBehind.committed() > before);
                    seen = rig.writeBehind.committed();
                }
            });
            try {
                runAll(writers);
            } finally {
                over.set(true);
            }
            switcher.join();
            checkEnd(rig, writers);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Writers that each own one byte range within the same chunks: what one writes never undoes what another wrote. */
    @Test
    void neighboursInOneChunkNeverUndoEachOther() {
        MemoryBacking backing = stampedImage(CHUNK, 64);
        try (DeviceRig rig = DeviceRig.over(backing).lagNanos(1).limitBytes(1).start()) {
            int part = CHUNK / WRITER_COUNT;
            byte[][] lasts = new byte[WRITER_COUNT][64];
            List<Runnable> writers = new ArrayList<>();
            for (int i = 0; i < WRITER_COUNT; i++) {
                int number = i;
                RigClient client = rig.connect();
                writers.add(() -> {
                    Random random = new Random(number);
                    for (int n = 0; n < 1000; n++) {
                        int chunk = random.nextInt(64);
                        byte value = (byte) n;
                        byte[] bytes = new byte[part];
                        java.util.Arrays.fill(bytes, value);
                        long offset = (long) chunk * CHUNK + number * part;
                        assertThat(client.write(offset, bytes)).isEqualTo(Outcome.DONE);
                        lasts[number][chunk] = value;
                        assertThat(client.read(offset, part)).isEqualTo(bytes);
                    }
                });
            }
            runAll(writers);
            rig.stopCleanly();
            byte[] image = backing.durableContent();
            ByteBuffer untouched = ByteBuffer.allocate(8).putLong(0, stamp(99, 1));
            for (int at = 0; at < image.length; at++) {
                byte last = lasts[at % CHUNK / part][at / CHUNK];
                if (last != 0) {
                    assertThat(image[at]).as("byte %d", at).isEqualTo(last);
                } else {
                    assertThat(image[at]).isIn(untouched.get(at % 8), (byte) 0);
                }
            }
        }
    }

    @Test
    void theDirtyLimitIsNeverExceededAndEverybodyProgresses() {
        MemoryBacking backing = new MemoryBacking(16 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                .mode(Mode.UNSAFE)
                .lagNanos(1_000_000)
                .limitBytes(1)
                .start()) {
            rig.awaitLoaded();
            long limitChunks = rig.writeBehind.throttle().limitBytes() / CHUNK;
            assertThat(limitChunks).isEqualTo(WriteBehind.DIRTY_CHUNKS_MIN);
            // Every write to the disk looks how much is dirty: nothing becomes clean while it does.
            AtomicReference<String> excess = new AtomicReference<>();
            backing.before(call -> {
                if (call.operation() == Operation.WRITE) {
                    long count = rig.dirtyDataChunkCount();
                    if (count > limitChunks) {
                        excess.set(count + " chunks are dirty, the limit is " + limitChunks);
                    }
                }
            });
            List<Runnable> writers = new ArrayList<>();
            for (int i = 0; i < WRITER_COUNT; i++) {
                RigClient client = rig.connect();
                int number = i;
                writers.add(() -> {
                    Random random = new Random(number);
                    List<CompletableFuture<Outcome>> inFlight = new ArrayList<>();
                    for (int n = 0; n < 60; n++) {
                        byte[] bytes = new byte[1 + random.nextInt(100_000)];
                        inFlight.add(client.startWrite(random.nextInt((16 << 20) - bytes.length), bytes, false));
                    }
                    inFlight.forEach(write -> assertThat(RigClient.await(write)).isEqualTo(Outcome.DONE));
                });
            }
            runAll(writers);
            assertThat(excess.get()).isNull();
            rig.awaitClean();
            assertThat(rig.dirty.dataChunkCount()).isZero();
            rig.stopCleanly();
        }
    }

    /** Reads of a chunk that is written whole again and again, with TRIMs that give its memory back. */
    @Test
    void readersBesideWritersAndTrimsSeeOnlyBytesThatSomebodyWrote() {
        MemoryBacking backing = new MemoryBacking(8 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                .sparse(true)
                .mode(Mode.UNSAFE)
                .lagNanos(1)
                .start()) {
            AtomicBoolean over = new AtomicBoolean();
            RigClient writing = rig.connect();
            RigClient reading = rig.connect();
            Thread writer = Thread.ofPlatform().start(() -> {
                byte[] bytes = new byte[2 << 20];
                java.util.Arrays.fill(bytes, (byte) 0x55);
                for (int i = 0; i < 60; i++) {
                    long offset = (long) (i & 3) * (2 << 20);
                    writing.write(offset, bytes);
                    writing.trim(offset, 2 << 20);
                }
                over.set(true);
            });
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment into = arena.allocate(64 << 10);
                Random random = new Random(1);
                while (!over.get()) {
                    long offset = (long) random.nextInt(127) * (64 << 10);
                    assertThat(RigClient.await(reading.startRead(offset, 64 << 10)))
                            .isEqualTo(Outcome.DONE);
                    reading.session().copy(offset, 64 << 10, into, 0);
                    for (long at = 0; at < into.byteSize(); at++) {
                        byte value = into.get(ValueLayout.JAVA_BYTE, at);
                        if (value != 0 && value != 0x55) {
                            throw new AssertionError("read " + value);
                        }
                    }
                }
            }
            writer.join();
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(new byte[8 << 20]);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
