package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.backing.MemoryBacking.Call;
import ramback.device.Outcome;
import ramback.journal.ImageChecksums;
import ramback.journal.StateFile.Blocks;
import ramback.posix.Errno;

/** What somebody else changed in an image is found while it is loaded, and what we change is not taken for that. */
class ImageCheckTest {

    private static final int CHUNK = 4096;
    private static final int MIB = 1 << 20;
    private static final UUID DEVICE = new UUID(1, 2);

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    /** By the book: block by block over all bytes. */
    private static ImageChecksums of(byte[] image) {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(image.length);
        try (Arena arena = Arena.ofConfined()) {
            for (int at = 0; at < image.length; at += MIB) {
                builder.addData(ImageChecksums.crcOf(arena.allocateFrom(
                        ValueLayout.JAVA_BYTE, Arrays.copyOfRange(image, at, Math.min(image.length, at + MIB)))));
            }
        }
        return builder.build();
    }

    private static void assertSame(ImageChecksums held, ImageChecksums expected) {
        assertThat(held.encode(DEVICE, 1)).isEqualTo(expected.encode(DEVICE, 1));
    }

    private static boolean isRead(Call call) {
        return call.operation() == Operation.READ;
    }

    private static boolean covers(Call call, long offset) {
        return call.offsetBytes() <= offset && offset < call.offsetBytes() + call.lengthBytes();
    }

    private static byte[] part(byte[] image, int from, int length) {
        return Arrays.copyOfRange(image, from, from + length);
    }

    @ParameterizedTest
    @ValueSource(ints = {4 << 10, 64 << 10, 1 << 20})
    void anImageThatIsAsItWasIsLoadedAndItsChecksumsAreTheSame(int chunkBytes) {
        byte[] image = random(9 * MIB + 12345);
        Arrays.fill(image, 3 * MIB, 5 * MIB + 77, (byte) 0);
        try (DeviceRig rig = DeviceRig.over(MemoryBacking.holding(image))
                .chunkBytes(chunkBytes)
                .checksums(of(image))
                .start()) {
            rig.awaitLoaded();
            assertThat(rig.connect().read(0, image.length)).isEqualTo(image);
            assertThat(rig.check.isOver()).isTrue();
            assertThat(rig.faults.isFailing()).isFalse();
            assertSame(rig.stopWithChecksums(), of(image));
        }
    }

    @Test
    void whatWasChangedReadsAsAnErrorAndTheRestIsServed() {
        byte[] image = random(8 * MIB);
        ImageChecksums left = of(image);
        image[3 * MIB + 5000] ^= 1;
        try (DeviceRig rig =
                DeviceRig.over(MemoryBacking.holding(image)).checksums(left).start()) {
            RigClient client = rig.connect();
            assertThat(RigClient.await(client.startRead(3 * MIB, 1))).isEqualTo(Outcome.IO_ERROR);
            assertThat(RigClient.await(client.startRead(4 * MIB - 1, 2))).isEqualTo(Outcome.IO_ERROR);
            assertThat(client.read(0, 3 * MIB)).isEqualTo(part(image, 0, 3 * MIB));
            assertThat(client.read(4 * MIB, 4 * MIB)).isEqualTo(part(image, 4 * MIB, 4 * MIB));
            DeviceRig.awaitTrue("the pass is over", () -> rig.population.failedPassCount() > 0);
            assertThat(rig.faults.isFailing()).isTrue();
            assertThat(rig.faults.last())
                    .contains("changed behind our back at bytes 3145728 to 4194303")
                    .contains("--adopt-image");
            assertThat(rig.changed).containsExactly(new Blocks(3, 3));
            assertThat(rig.population.isComplete()).isFalse();
            // A part of it can't be written, all of a chunk can; and that is served.
            assertThat(RigClient.await(client.startWrite(3 * MIB + 10, filled(10, 1), false)))
                    .isEqualTo(Outcome.IO_ERROR);
            assertThat(client.write(3 * MIB, filled(CHUNK, 1))).isEqualTo(Outcome.DONE);
            assertThat(client.read(3 * MIB, CHUNK)).isEqualTo(filled(CHUNK, 1));
            assertThat(RigClient.await(client.startRead(3 * MIB + CHUNK, 1))).isEqualTo(Outcome.IO_ERROR);
            assertThat(rig.check.changedBlocks(rig.store)).containsExactly(new Blocks(3, 3));
            // Another start without --adopt-image finds the same: what was known of it stays known.
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            ImageChecksums held = rig.stopWithChecksums();
            byte[] now = rig.memoryBacking().durableContent();
            assertThat(held.unknownCount()).isZero();
            try (DeviceRig next =
                    DeviceRig.over(MemoryBacking.holding(now)).checksums(held).start()) {
                assertThat(RigClient.await(next.connect().startRead(3 * MIB + CHUNK, 1)))
                        .isEqualTo(Outcome.IO_ERROR);
            }
        }
    }

    @Test
    void writingAllOfItAnewHealsIt() {
        byte[] image = random(4 * MIB);
        ImageChecksums left = of(image);
        image[2 * MIB] ^= 1;
        try (DeviceRig rig =
                DeviceRig.over(MemoryBacking.holding(image)).checksums(left).start()) {
            RigClient client = rig.connect();
            assertThat(RigClient.await(client.startRead(2 * MIB, 1))).isEqualTo(Outcome.IO_ERROR);
            client.write(2 * MIB, filled(MIB, 9));
            rig.awaitLoaded();
            assertThat(rig.faults.isFailing()).isFalse();
            assertThat(rig.check.changedBlocks(rig.store)).isEmpty();
            Arrays.fill(image, 2 * MIB, 3 * MIB, (byte) 9);
            assertSame(rig.stopWithChecksums(), of(image));
        }
    }

    @Test
    void whatWasFoundBeforeIsSuspectAlthoughNothingIsKnownOfItsContent() {
        byte[] image = random(4 * MIB);
        try (DeviceRig rig = DeviceRig.over(MemoryBacking.holding(image))
                .checksums(ImageChecksums.unknown(image.length), new Blocks(1, 2), new Blocks(9, 12))
                .start()) {
            RigClient client = rig.connect();
            assertThat(rig.faults.isFailing()).isTrue();
            assertThat(RigClient.await(client.startRead(MIB, 1))).isEqualTo(Outcome.IO_ERROR);
            assertThat(RigClient.await(client.startRead(3 * MIB - 1, 1))).isEqualTo(Outcome.IO_ERROR);
            assertThat(client.read(0, MIB)).isEqualTo(part(image, 0, MIB));
            assertThat(client.read(3 * MIB, MIB)).isEqualTo(part(image, 3 * MIB, MIB));
        }
    }

    @Test
    void holesWhereDataWasAndDataWhereHolesWereAreFound() {
        byte[] before = new byte[8 * MIB];
        byte[] data = random(MIB);
        System.arraycopy(data, 0, before, 2 * MIB, MIB);
        System.arraycopy(data, 0, before, 5 * MIB, CHUNK);
        MemoryBacking backing = new MemoryBacking(8 * MIB);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, data);
            backing.write(2 * MIB, bytes);
            backing.write(5 * MIB, bytes.asSlice(0, CHUNK));
            backing.write(7 * MIB + 3 * CHUNK, bytes.asSlice(0, CHUNK));
            backing.zero(2 * MIB, MIB);
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
        try (DeviceRig rig = DeviceRig.over(backing).checksums(of(before)).start()) {
            RigClient client = rig.connect();
            DeviceRig.awaitTrue("the pass is over", () -> rig.population.failedPassCount() > 0);
            assertThat(rig.changed).containsExactly(new Blocks(2, 2), new Blocks(7, 7));
            assertThat(client.read(5 * MIB, 2 * MIB)).isEqualTo(part(before, 5 * MIB, 2 * MIB));
            assertThat(client.read(0, 2 * MIB)).isEqualTo(new byte[2 * MIB]);
            assertThat(RigClient.await(client.startRead(2 * MIB, 1))).isEqualTo(Outcome.IO_ERROR);
        }
    }

    @Test
    void ourOwnWritesAreNotTakenForAChangeAndDontHideOne() {
        byte[] image = random(32 * MIB);
        ImageChecksums left = of(image);
        image[20 * MIB + 3 * CHUNK] ^= 1;
        MemoryBacking backing = MemoryBacking.holding(image);
        AtomicBoolean isHeld = new AtomicBoolean(true);
        Gate gate = new Gate(call -> isRead(call) && call.lengthBytes() > MIB && isHeld.get());
        try (DeviceRig rig = DeviceRig.over(backing).checksums(left).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(Population.LOADER_COUNT);
            // While the loaders stand still everywhere, chunks of every block are written and carried to the image.
            for (int block = 0; block < 32; block++) {
                client.write(block * MIB + 7 * CHUNK, filled(CHUNK, block + 1));
                Arrays.fill(image, block * MIB + 7 * CHUNK, block * MIB + 8 * CHUNK, (byte) (block + 1));
            }
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            isHeld.set(false);
            gate.open();
            DeviceRig.awaitTrue("the pass is over", () -> rig.population.failedPassCount() > 0);
            assertThat(rig.changed).containsExactly(new Blocks(20, 20));
            assertThat(client.read(0, 20 * MIB)).isEqualTo(part(image, 0, 20 * MIB));
            assertThat(client.read(21 * MIB, 11 * MIB)).isEqualTo(part(image, 21 * MIB, 11 * MIB));
            assertThat(client.read(20 * MIB + 7 * CHUNK, CHUNK)).isEqualTo(filled(CHUNK, 21));
            assertThat(RigClient.await(client.startRead(20 * MIB, 1))).isEqualTo(Outcome.IO_ERROR);
        }
    }

    @Test
    void writersBesideLoadersAreNeverTakenForSomebodyElse() {
        byte[] image = random(24 * MIB);
        for (int seed = 0; seed < 4; seed++) {
            MemoryBacking backing = MemoryBacking.holding(image);
            Random random = new Random(seed);
            byte[] expected = image.clone();
            try (DeviceRig rig =
                    DeviceRig.over(backing).lagNanos(1).checksums(of(image)).start()) {
                RigClient client = rig.connect();
                for (int i = 0; i < 100; i++) {
                    int at = random.nextInt(24 * MIB / CHUNK) * CHUNK;
                    byte[] bytes = filled(CHUNK, i);
                    client.write(at, bytes);
                    System.arraycopy(bytes, 0, expected, at, CHUNK);
                    if (i % 10 == 0) {
                        client.flush();
                    }
                }
                rig.awaitLoaded();
                assertThat(rig.changed).isEmpty();
                assertThat(client.read(0, expected.length)).isEqualTo(expected);
                assertSame(rig.stopWithChecksums(), of(expected));
            }
        }
    }

    @Test
    void aBlockThatCantBeReadAsAWholeIsServedAsFarAsItCan() {
        byte[] image = random(4 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        long bad = MIB + 5 * CHUNK;
        backing.failWhile(call -> isRead(call) && covers(call, bad), Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).checksums(of(image)).start()) {
            RigClient client = rig.connect();
            DeviceRig.awaitTrue("the pass has failed", () -> rig.population.failedPassCount() > 0);
            assertThat(rig.store.loadedChunkCount()).isEqualTo(4 * 256 - 1);
            assertThat(RigClient.await(client.startRead(bad, 1))).isEqualTo(Outcome.IO_ERROR);
            assertThat(client.read(MIB, 5 * CHUNK)).isEqualTo(part(image, MIB, 5 * CHUNK));
            assertThat(rig.check.uncheckedCount()).isEqualTo(1);
            assertThat(rig.changed).isEmpty();
            assertThat(rig.stopWithChecksums().unknownCount()).isEqualTo(1);
        }
    }

    @Test
    void aRangeThatFailsAsAWholeAndNotInPiecesIsCheckedAllTheSame() {
        byte[] image = random(4 * MIB);
        ImageChecksums left = of(image);
        image[MIB] ^= 1;
        MemoryBacking backing = MemoryBacking.holding(image);
        backing.failWhile(call -> isRead(call) && call.lengthBytes() > CHUNK, Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).checksums(left).start()) {
            DeviceRig.awaitTrue("the pass has failed", () -> rig.population.failedPassCount() > 0);
            assertThat(rig.changed).containsExactly(new Blocks(1, 1));
            assertThat(rig.check.uncheckedCount()).isZero();
            assertThat(rig.store.loadedChunkCount()).isEqualTo(3 * 256);
        }
    }

    @Test
    void whatWasNeverLoadedKeepsItsChecksumAndWhatWasWrittenInPartHasNone() {
        byte[] image = random(6 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig =
                DeviceRig.over(backing).loading(false).checksums(of(image)).start()) {
            RigClient client = rig.connect();
            client.write(2 * MIB + CHUNK, filled(CHUNK, 3));
            client.write(4 * MIB, filled(MIB, 4));
            ImageChecksums held = rig.stopWithChecksums();
            Arrays.fill(image, 4 * MIB, 5 * MIB, (byte) 4);
            ImageChecksums all = of(image);
            assertThat(held.isKnown(2)).isFalse();
            assertThat(held.unknownCount()).isEqualTo(1);
            ImageChecksums.Builder expected = new ImageChecksums.Builder(image.length);
            for (int block = 0; block < 6; block++) {
                if (block == 2) {
                    expected.addUnknown(1);
                } else {
                    expected.addAs(all);
                }
            }
            assertSame(held, expected.build());
        }
    }

    @Test
    void aDemandWaitsForItsWholeBlockAndForNoMore() {
        byte[] image = random(16 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(ImageCheckTest::isRead);
        try (DeviceRig rig =
                DeviceRig.over(backing).checksums(of(image)).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(Population.LOADER_COUNT);
            CompletableFuture<Outcome> read = client.startRead(15 * MIB + 9 * CHUNK, CHUNK);
            gate.open();
            assertThat(RigClient.await(read)).isEqualTo(Outcome.DONE);
            rig.awaitLoaded();
            assertThat(backing.calls(Operation.READ)).allSatisfy(call -> {
                assertThat(call.offsetBytes() % MIB).isZero();
                assertThat(call.lengthBytes() % MIB).isZero();
            });
        }
    }
}
