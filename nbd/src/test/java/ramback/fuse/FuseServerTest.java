package ramback.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.Descriptors;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.traffic.Traffic;

/** Every request that the kernel may send has the answer that it should have; no mount is needed. */
@Timeout(60)
final class FuseServerTest {

    private static final int SIZE = (1 << 20) + 100;
    private static final long STATUS = 3;
    private static final long MODE = 4;

    private final RamDevice device = RamDevice.ofSize(SIZE);
    private final AtomicInteger textCount = new AtomicInteger();
    private final List<String> words = new ArrayList<>();
    private final CountDownLatch gate = new CountDownLatch(1);
    private final List<FuseFile> files = List.of(
            new FuseFile("status", () -> "text " + textCount.incrementAndGet() + "\n", null),
            new FuseFile("mode", () -> "fast\n", this::accept));

    private boolean accept(String word) throws InterruptedException {
        if (word.equals("wait")) {
            gate.await();
        }
        if (word.equals("fail")) {
            throw new IllegalStateException("for the test");
        }
        words.add(word);
        return !word.equals("no");
    }

    private FakeKernel kernel() throws Exception {
        return new FakeKernel(device, files);
    }

    private byte[] fill(long offsetBytes, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        for (int i = 0; i < lengthBytes; i++) {
            bytes[i] = (byte) (i * 31 + 7);
        }
        MemorySegment.copy(bytes, 0, device.memory, ValueLayout.JAVA_BYTE, offsetBytes, lengthBytes);
        return bytes;
    }

    private byte[] memory(long offsetBytes, int lengthBytes) {
        return device.memory.asSlice(offsetBytes, lengthBytes).toArray(ValueLayout.JAVA_BYTE);
    }

    // --------------------------------------------------------------------------------------------------------- INIT

    @Test
    void initTakesOfWhatIsOfferedWhatIsUsed() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.init.getInt(0)).isEqualTo(7);
            assertThat(kernel.init.getInt(4)).isEqualTo(31);
            assertThat(kernel.init.getInt(12)).isEqualTo(1 | 1 << 5 | 1 << 15 | 1 << 18 | 1 << 22);
            assertThat(kernel.init.getShort(16)).isEqualTo((short) 256);
            assertThat(kernel.init.getInt(20)).isEqualTo(128 << 10);
            assertThat(kernel.init.getShort(28)).isEqualTo((short) FuseServer.readPagesMax(Posix.pageBytes()));
            assertThat(kernel.init.remaining()).isEqualTo(64);
        }
    }

    @Test
    void initAsksForNothingThatIsNotOffered() throws Exception {
        try (FakeKernel kernel = new FakeKernel(device, files, 7, 31, 1 << 5)) {
            assertThat(kernel.init.getInt(12)).isEqualTo(1 << 5);
        }
    }

    @Test
    void aLaterMajorVersionIsAskedToSpeakOurs() throws Exception {
        try (FakeKernel kernel = new FakeKernel(device, files, 8, 0, -1)) {
            assertThat(kernel.init.getInt(0)).isEqualTo(7);
            assertThat(kernel.read(0, 10).error()).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"7,30", "6,99"})
    void anOlderKernelIsRefused(int major, int minor) {
        assertThatThrownBy(() -> new FakeKernel(device, files, major, minor, -1))
                .isInstanceOf(FuseUnavailableException.class)
                .hasMessage("the kernel's FUSE is " + major + "." + minor + ", 7.31 or newer is needed: Linux 5.4");
        assertThat(device.openSessionCount).hasValue(0);
    }

    /** More than a READ's buffer holds is never asked for, whatever a page is. */
    @ParameterizedTest
    @CsvSource({"4096, 256", "16384, 64", "65536, 16", "2097152, 1"})
    void theLongestReadIsCountedInTheMachinesPages(long pageBytes, int pages) {
        assertThat(FuseServer.readPagesMax(pageBytes)).isEqualTo(pages);
    }

    @Test
    void aSecondInitIsAnError() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(FuseProtocol.INIT, 0, FakeKernel.body(64)).error())
                    .isEqualTo(Errno.EPROTO);
        }
    }

    // --------------------------------------------------------------------------------------------------- names,
    // attributes

    @ParameterizedTest
    @CsvSource({"disk,2,100600", "status,3,100444", "mode,4,100644"})
    void aNameIsLookedUpWithItsAttributes(String name, long node, String octalMode) throws Exception {
        try (FakeKernel kernel = kernel()) {
            ByteBuffer entry =
                    kernel.call(FuseProtocol.LOOKUP, 1, FakeKernel.name(name)).body();
            assertThat(entry.remaining()).isEqualTo(128);
            assertThat(entry.getLong(0)).isEqualTo(node);
            assertThat(entry.getLong(40)).isEqualTo(node);
            assertThat(entry.getLong(48)).isEqualTo(name.equals("disk") ? SIZE : 0);
            assertThat(entry.getInt(100)).isEqualTo(Integer.parseInt(octalMode, 8));
            assertThat(entry.getInt(120)).isEqualTo(4096);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "dis", "disks", "Disk", "statu"})
    void anotherNameIsNotThere(String name) throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(FuseProtocol.LOOKUP, 1, FakeKernel.name(name))
                            .error())
                    .isEqualTo(Errno.ENOENT);
            assertThat(kernel.call(FuseProtocol.LOOKUP, 2, FakeKernel.name("disk"))
                            .error())
                    .isEqualTo(Errno.ENOENT);
        }
    }

    @Test
    void aNameLongerThanWhatIsReadInFrontOfAPayloadIsLookedUp() throws Exception {
        String name = "n".repeat(200);
        List<FuseFile> longNamed = List.of(new FuseFile(name, () -> "", null));
        try (FakeKernel kernel = new FakeKernel(device, longNamed)) {
            assertThat(kernel.call(FuseProtocol.LOOKUP, 1, FakeKernel.name(name))
                            .body()
                            .getLong(0))
                    .isEqualTo(3);
            assertThat(kernel.call(FuseProtocol.LOOKUP, 1, FakeKernel.name(name + "n"))
                            .error())
                    .isEqualTo(Errno.ENOENT);
        }
    }

    @Test
    void attributesAreThoseOfTheNode() throws Exception {
        try (FakeKernel kernel = kernel()) {
            ByteBuffer root =
                    kernel.call(FuseProtocol.GETATTR, 1, FakeKernel.body(16)).body();
            assertThat(root.getInt(16 + 60)).isEqualTo(040555);
            assertThat(kernel.call(FuseProtocol.GETATTR, 9, FakeKernel.body(16)).error())
                    .isEqualTo(Errno.ENOENT);
        }
    }

    @Test
    void theDeviceOfAReadOnlyDeviceCanOnlyBeRead() throws Exception {
        RamDevice readOnly = new RamDevice("disk", device.memory, 4096, true, 4, 8);
        try (FakeKernel kernel = new FakeKernel(readOnly, files)) {
            ByteBuffer disk =
                    kernel.call(FuseProtocol.GETATTR, 2, FakeKernel.body(16)).body();
            assertThat(disk.getInt(16 + 60)).isEqualTo(0100400);
            assertThat(kernel.open(2, 2).error()).isEqualTo(Errno.EROFS);
            assertThat(kernel.open(2, 0).error()).isZero();
        }
    }

    private static ByteBuffer setAttributes(int valid, long sizeBytes) {
        return FakeKernel.body(88).putInt(valid).putInt(0).putLong(0).putLong(sizeBytes);
    }

    @Test
    void aTextFileMayBeCutAndTheDeviceMayNot() throws Exception {
        try (FakeKernel kernel = kernel()) {
            int size = 1 << 3 | 1 << 6;
            assertThat(kernel.call(FuseProtocol.SETATTR, MODE, setAttributes(size, 0))
                            .error())
                    .isZero();
            assertThat(kernel.call(FuseProtocol.SETATTR, MODE, setAttributes(size, 1))
                            .error())
                    .isEqualTo(Errno.EINVAL);
            assertThat(kernel.call(FuseProtocol.SETATTR, 2, setAttributes(size, 0))
                            .error())
                    .isEqualTo(Errno.EINVAL);
            assertThat(kernel.call(FuseProtocol.SETATTR, 2, setAttributes(1 << 4 | 1 << 5, 0))
                            .error())
                    .as("times")
                    .isZero();
            assertThat(kernel.call(FuseProtocol.SETATTR, 2, setAttributes(1, 0)).error())
                    .as("mode")
                    .isEqualTo(Errno.EPERM);
        }
    }

    private static List<String> names(ByteBuffer entries) {
        List<String> names = new ArrayList<>();
        while (entries.hasRemaining()) {
            int begin = entries.position();
            int length = entries.getInt(begin + 16);
            byte[] name = new byte[length];
            entries.get(begin + 24, name);
            names.add(new String(name, StandardCharsets.UTF_8));
            entries.position(begin + (24 + length + 7) / 8 * 8);
        }
        return names;
    }

    @Test
    void theDirectoryIsListedWholeAndInPieces() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(FuseProtocol.OPENDIR, 1, FakeKernel.body(8)).error())
                    .isZero();
            List<String> all = List.of(".", "..", "disk", "status", "mode");
            assertThat(names(kernel.await(kernel.send(FuseProtocol.READDIR, 1, entriesFrom(0, 4096)))
                            .body()))
                    .isEqualTo(all);
            for (int i = 0; i < 5; i++) {
                assertThat(names(kernel.await(kernel.send(FuseProtocol.READDIR, 1, entriesFrom(i, 32)))
                                .body()))
                        .containsExactly(all.get(i));
            }
            assertThat(kernel.await(kernel.send(FuseProtocol.READDIR, 1, entriesFrom(5, 4096)))
                            .body()
                            .remaining())
                    .isZero();
            assertThat(kernel.call(FuseProtocol.READDIR, 2, entriesFrom(0, 4096))
                            .error())
                    .isEqualTo(Errno.ENOTDIR);
            assertThat(kernel.call(FuseProtocol.RELEASEDIR, 1, FakeKernel.body(24))
                            .error())
                    .isZero();
        }
    }

    private static ByteBuffer entriesFrom(long position, int lengthBytes) {
        return FakeKernel.body(40).putLong(0).putLong(position).putInt(lengthBytes);
    }

    @Test
    void theFilesystemsBlocksAreChunks() throws Exception {
        try (FakeKernel kernel = kernel()) {
            ByteBuffer status =
                    kernel.call(FuseProtocol.STATFS, 1, FakeKernel.body(0)).body();
            assertThat(status.remaining()).isEqualTo(80);
            assertThat(status.getLong(0)).isEqualTo(257);
            assertThat(status.getInt(40)).isEqualTo(4096);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {6, 8, 9, 10, 11, 12, 13, 35, 45, 51})
    void namesCantBeMadeNorRemoved(int opcode) throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(opcode, 1, FakeKernel.name("new")).error()).isEqualTo(Errno.EPERM);
        }
    }

    // -------------------------------------------------------------------------------------------------- the device's
    // data

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aReadReturnsTheBytesThatThereAre(boolean direct) throws Exception {
        device.direct = direct;
        byte[] bytes = fill(5000, 10_000);
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.read(5000, 10_000).bytes()).isEqualTo(bytes);
            assertThat(kernel.read(SIZE - 10, 4096).body().remaining()).isEqualTo(10);
            assertThat(kernel.read(SIZE, 4096).body().remaining()).isZero();
            assertThat(kernel.read(Long.MAX_VALUE, 4096).body().remaining()).isZero();
            assertThat(kernel.read(-1, 10).error()).isEqualTo(Errno.EINVAL);
            assertThat(kernel.read(0, -1).error()).isEqualTo(Errno.EINVAL);
        }
    }

    @Test
    void aWriteIsStoredAndCutOffAtTheEnd() throws Exception {
        try (FakeKernel kernel = kernel()) {
            byte[] payload = fill(0, 100_000);
            FakeKernel.Reply reply = kernel.write(12_345, payload);
            assertThat(reply.error()).isZero();
            assertThat(reply.body().getInt(0)).isEqualTo(100_000);
            assertThat(reply.body().remaining()).isEqualTo(8);
            assertThat(memory(12_345, 100_000)).isEqualTo(payload);
            assertThat(kernel.write(SIZE - 10, new byte[100]).body().getInt(0)).isEqualTo(10);
            assertThat(kernel.write(SIZE, new byte[100]).error()).isEqualTo(Errno.ENOSPC);
            assertThat(kernel.write(-5, new byte[100]).error()).isEqualTo(Errno.EINVAL);
        }
    }

    @Test
    void theLongestWriteIsStored() throws Exception {
        try (FakeKernel kernel = kernel()) {
            byte[] payload = fill(0, 128 << 10);
            assertThat(kernel.write(300_000, payload).body().getInt(0)).isEqualTo(128 << 10);
            assertThat(memory(300_000, 128 << 10)).isEqualTo(payload);
        }
    }

    @Test
    void aWriteToAFileOpenedForSynchronousWritesIsDurableWhenItIsDone() throws Exception {
        try (FakeKernel kernel = kernel()) {
            kernel.await(kernel.sendWrite(2, 1, 0, new byte[10], 1 | 0x1000));
            kernel.await(kernel.sendWrite(2, 1, 0, new byte[10], 1));
            assertThat(device.log).extracting(RamDevice.Seen::forceUnitAccess).containsExactly(true, false);
        }
    }

    @Test
    void syncFlushesAndSoDoesClosingWhatMayHaveBeenWritten() throws Exception {
        try (FakeKernel kernel = kernel()) {
            long writable = kernel.open(2, 2).body().getLong(0);
            long readable = kernel.open(2, 0).body().getLong(0);
            assertThat(kernel.call(FuseProtocol.FLUSH, 2, FakeKernel.body(24).putLong(readable))
                            .error())
                    .isZero();
            assertThat(device.log).isEmpty();
            assertThat(kernel.call(FuseProtocol.FLUSH, 2, FakeKernel.body(24).putLong(writable))
                            .error())
                    .isZero();
            assertThat(device.log).hasSize(1);
            assertThat(kernel.call(FuseProtocol.FSYNC, 2, FakeKernel.body(16).putLong(readable))
                            .error())
                    .isZero();
            assertThat(device.log).extracting(RamDevice.Seen::kind).containsExactly("flush", "flush");
            assertThat(kernel.call(FuseProtocol.RELEASE, 2, FakeKernel.body(24).putLong(writable))
                            .error())
                    .isZero();
        }
    }

    @Test
    void theDeviceBypassesThePageCache() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.open(2, 2).body().getInt(8)).isEqualTo(1 | 1 << 6);
        }
    }

    @ParameterizedTest
    @CsvSource({"3,true", "16,false", "17,false"})
    void holesAndZeroesReadAsZeroesToTheByte(int mode, boolean mayPunch) throws Exception {
        fill(0, SIZE);
        byte[] before = memory(0, SIZE);
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.allocate(mode, 1000, 10_000).error()).isZero();
            assertThat(device.log).containsExactly(new RamDevice.Seen("zero", 1000, 10_000, mayPunch, false));
            Arrays.fill(before, 1000, 11_000, (byte) 0);
            assertThat(memory(0, SIZE)).isEqualTo(before);
        }
    }

    @Test
    void allocationIsCutOffAtTheEndUnlessTheFileWouldGrow() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.allocate(3, SIZE - 10, Long.MAX_VALUE).error()).isZero();
            assertThat(kernel.allocate(3, SIZE, 10).error()).isZero();
            assertThat(device.log).containsExactly(new RamDevice.Seen("zero", SIZE - 10, 10, true, false));
            assertThat(kernel.allocate(16, SIZE - 10, 11).error()).isEqualTo(Errno.ENOSPC);
            assertThat(kernel.allocate(0, 0, 10).error()).isEqualTo(Errno.EOPNOTSUPP);
            assertThat(kernel.allocate(1, 0, 10).error()).isEqualTo(Errno.EOPNOTSUPP);
            assertThat(kernel.allocate(8, 0, 10).error()).as("collapse").isEqualTo(Errno.EOPNOTSUPP);
            assertThat(kernel.allocate(3, -1, 10).error()).isEqualTo(Errno.EINVAL);
        }
    }

    @Test
    void seekingFindsDataAndHoles() throws Exception {
        RamDevice holed = RamDevice.ofSize(10 * 4096);
        holed.chunkStates = new int[] {0, 1, 1, 0, 0, 2, 4, 1, 1, 1};
        try (FakeKernel kernel = new FakeKernel(holed, files)) {
            assertThat(kernel.seek(0, 3).body().getLong(0)).isZero();
            assertThat(kernel.seek(0, 4).body().getLong(0)).isEqualTo(4096);
            assertThat(kernel.seek(5000, 4).body().getLong(0)).isEqualTo(5000);
            assertThat(kernel.seek(5000, 3).body().getLong(0)).isEqualTo(3 * 4096);
            assertThat(kernel.seek(3 * 4096, 4).body().getLong(0)).isEqualTo(7 * 4096);
            assertThat(kernel.seek(7 * 4096, 3).error()).isEqualTo(Errno.ENXIO);
            assertThat(kernel.seek(10 * 4096, 3).error()).isEqualTo(Errno.ENXIO);
            assertThat(kernel.seek(-1, 4).error()).isEqualTo(Errno.ENXIO);
            assertThat(kernel.seek(0, 0).error()).isEqualTo(Errno.EINVAL);
            holed.chunkStates = new int[10];
            assertThat(kernel.seek(7, 4).body().getLong(0)).as("the end").isEqualTo(10 * 4096);
        }
    }

    // ------------------------------------------------------------------------------------------------------ outcomes

    @ParameterizedTest
    @CsvSource({"IO_ERROR,5", "NO_SPACE,28", "READ_ONLY,30", "INVALID,22", "SHUTTING_DOWN,5"})
    void anOutcomeIsItsError(Outcome outcome, int errno) throws Exception {
        device.failWith = _ -> outcome;
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.read(0, 100).error()).isEqualTo(errno);
            assertThat(kernel.write(0, new byte[100]).error()).isEqualTo(errno);
            assertThat(kernel.allocate(3, 0, 100).error()).isEqualTo(errno);
            assertThat(kernel.call(FuseProtocol.FSYNC, 2, FakeKernel.body(16)).error())
                    .isEqualTo(errno);
            device.failWith = null;
            assertThat(kernel.write(0, new byte[100]).error()).as("afterwards").isZero();
        }
    }

    @Test
    void whatWaitsIsAnsweredWhenItIsDoneAndHoldsUpNothing() throws Exception {
        byte[] bytes = fill(0, 5000);
        device.deferWhere = request -> request.offsetBytes() == 0;
        try (FakeKernel kernel = kernel()) {
            long read = kernel.sendRead(2, 0, 0, 5000);
            long write = kernel.sendWrite(2, 1, 0, new byte[3], 1);
            long zero = kernel.send(
                    FuseProtocol.FALLOCATE,
                    2,
                    FakeKernel.body(32).putLong(1).putLong(0).putLong(2).putInt(3));
            long flush = kernel.send(FuseProtocol.FSYNC, 2, FakeKernel.body(16));
            RamDevice.Waiting waitingRead = device.waiting.take();
            RamDevice.Waiting waitingWrite = device.waiting.take();
            RamDevice.Waiting waitingZero = device.waiting.take();
            RamDevice.Waiting waitingFlush = device.waiting.take();
            assertThat(kernel.read(6000, 10).error()).isZero();
            assertThat(kernel.isAnswered(read)).isFalse();
            waitingFlush.finish(Outcome.IO_ERROR);
            assertThat(kernel.await(flush).error()).isEqualTo(Errno.EIO);
            waitingZero.finish(Outcome.DONE);
            assertThat(kernel.await(zero).error()).isZero();
            waitingWrite.finish(Outcome.DONE);
            assertThat(kernel.await(write).body().getInt(0)).isEqualTo(3);
            waitingRead.finish(Outcome.DONE);
            byte[] read5000 = kernel.await(read).bytes();
            assertThat(read5000).hasSize(5000);
            assertThat(Arrays.copyOfRange(read5000, 3, 5000)).isEqualTo(Arrays.copyOfRange(bytes, 3, 5000));
        }
    }

    // ------------------------------------------------------------------------------------------------------ text
    // files

    private static String text(FakeKernel.Reply reply) {
        return new String(reply.bytes(), StandardCharsets.UTF_8);
    }

    @Test
    void whatIsReadFromOneOpenIsOfOneMoment() throws Exception {
        try (FakeKernel kernel = kernel()) {
            long first = kernel.open(STATUS, 0).body().getLong(0);
            long second = kernel.open(STATUS, 0).body().getLong(0);
            assertThat(text(kernel.await(kernel.sendRead(STATUS, first, 0, 4)))).isEqualTo("text");
            assertThat(text(kernel.await(kernel.sendRead(STATUS, second, 0, 100))))
                    .isEqualTo("text 2\n");
            assertThat(text(kernel.await(kernel.sendRead(STATUS, first, 4, 100))))
                    .isEqualTo(" 1\n");
            assertThat(text(kernel.await(kernel.sendRead(STATUS, first, 7, 100))))
                    .isEmpty();
            assertThat(kernel.open(STATUS, 0).body().getInt(8)).isEqualTo(1);
        }
    }

    @Test
    void theNextServerNeverGivesANumberThatAnOpenFileHasAlready() {
        TextFiles before = new TextFiles();
        Set<Long> numbers = new HashSet<>();
        for (int i = 0; i < 1000; i++) {
            assertThat(numbers.add(before.open())).isTrue();
        }
        TextFiles after = new TextFiles();
        for (int i = 0; i < 1000; i++) {
            assertThat(numbers.add(after.open())).isTrue();
        }
    }

    @Test
    void anOpenFileOfAnotherServerIsReadAnew() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(text(kernel.await(kernel.sendRead(STATUS, 77, 0, 100)))).isEqualTo("text 1\n");
            assertThat(kernel.open(STATUS, 0).body().getLong(0)).isGreaterThan(77);
        }
    }

    private FakeKernel.Reply word(FakeKernel kernel, String word) throws Exception {
        return kernel.await(kernel.sendWrite(MODE, 1, 0, word.getBytes(StandardCharsets.UTF_8), 1));
    }

    @Test
    void aWordIsHandedOverAndItsRefusalComesBack() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.open(STATUS, 1).error()).isEqualTo(Errno.EACCES);
            assertThat(kernel.open(MODE, 1).error()).isZero();
            FakeKernel.Reply reply = word(kernel, " writethrough\n");
            assertThat(reply.error()).isZero();
            assertThat(reply.body().getInt(0)).isEqualTo(14);
            assertThat(word(kernel, "no\n").error()).isEqualTo(Errno.EINVAL);
            assertThat(word(kernel, "fail").error()).isEqualTo(Errno.EIO);
            assertThat(word(kernel, "x".repeat(4097)).error()).isEqualTo(Errno.EINVAL);
            assertThat(kernel.await(kernel.sendWrite(MODE, 1, 5, new byte[2], 1))
                            .error())
                    .isEqualTo(Errno.EINVAL);
            assertThat(kernel.await(kernel.sendWrite(STATUS, 1, 0, new byte[2], 1))
                            .error())
                    .isEqualTo(Errno.EINVAL);
            assertThat(words).containsExactly("writethrough", "no");
        }
    }

    @Test
    void aWordThatWaitsHoldsUpNothingAndCanBeInterrupted() throws Exception {
        try (FakeKernel kernel = kernel()) {
            long waiting = kernel.sendWrite(MODE, 1, 0, "wait".getBytes(StandardCharsets.UTF_8), 1);
            assertThat(kernel.read(0, 10).error()).isZero();
            long handle = kernel.open(STATUS, 0).body().getLong(0);
            assertThat(text(kernel.await(kernel.sendRead(STATUS, handle, 0, 100))))
                    .isEqualTo("text 1\n");
            assertThat(kernel.isAnswered(waiting)).isFalse();
            kernel.send(FuseProtocol.INTERRUPT, 0, FakeKernel.body(8).putLong(waiting));
            assertThat(kernel.await(waiting).error()).isEqualTo(Errno.EINTR);
            assertThat(words).isEmpty();
        }
    }

    @Test
    void anInterruptionThatComesFirstIsNotLost() throws Exception {
        try (FakeKernel kernel = kernel()) {
            kernel.send(FuseProtocol.INTERRUPT, 0, FakeKernel.body(8).putLong(104 + 2));
            long waiting = kernel.sendWrite(MODE, 1, 0, "wait".getBytes(StandardCharsets.UTF_8), 1);
            assertThat(waiting).isEqualTo(106);
            assertThat(kernel.await(waiting).error()).isEqualTo(Errno.EINTR);
        }
    }

    @Test
    void moreWordsThanCanWaitAreRefused() throws Exception {
        try (FakeKernel kernel = kernel()) {
            List<Long> waiting = new ArrayList<>();
            for (int i = 0; i < TextFiles.TASK_COUNT_MAX; i++) {
                waiting.add(kernel.sendWrite(MODE, 1, 0, "wait".getBytes(StandardCharsets.UTF_8), 1));
            }
            assertThat(word(kernel, "one more").error()).isEqualTo(Errno.EBUSY);
            gate.countDown();
            for (long one : waiting) {
                assertThat(kernel.await(one).error()).isZero();
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------- odd
    // requests

    @Test
    void forgettingHasNoReply() throws Exception {
        try (FakeKernel kernel = kernel()) {
            long one = kernel.send(FuseProtocol.FORGET, 2, FakeKernel.body(8).putLong(1));
            long many = kernel.send(
                    FuseProtocol.BATCH_FORGET,
                    0,
                    FakeKernel.body(24).putInt(1).putInt(0).putLong(2));
            long interruption =
                    kernel.send(FuseProtocol.INTERRUPT, 0, FakeKernel.body(8).putLong(4));
            assertThat(kernel.isAnswered(one)).isFalse();
            assertThat(kernel.isAnswered(many)).isFalse();
            assertThat(kernel.isAnswered(interruption)).isFalse();
            assertThat(kernel.call(FuseProtocol.LOOKUP, 1, FakeKernel.name("disk"))
                            .error())
                    .isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 21, 22, 23, 24, 31, 32, 33, 34, 37, 40, 44, 47, 48, 49, 50, 52, 4096, 0, -1})
    void whatIsNotSupportedIsAnsweredSo(int opcode) throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(opcode, 2, FakeKernel.body(64)).error()).isEqualTo(Errno.ENOSYS);
        }
    }

    @Test
    void whatOnlyLooksLikeAFileIsRefused() throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(FuseProtocol.IOCTL, 2, FakeKernel.body(32)).error())
                    .isEqualTo(Errno.ENOTTY);
            assertThat(kernel.await(kernel.sendRead(1, 0, 0, 10)).error()).isEqualTo(Errno.EISDIR);
            assertThat(kernel.await(kernel.sendWrite(1, 0, 0, new byte[1], 1)).error())
                    .isEqualTo(Errno.EISDIR);
            assertThat(kernel.open(1, 0).error()).isEqualTo(Errno.EISDIR);
            assertThat(kernel.open(9, 0).error()).isEqualTo(Errno.ENOENT);
            assertThat(kernel.call(FuseProtocol.FALLOCATE, MODE, FakeKernel.body(32))
                            .error())
                    .isEqualTo(Errno.EOPNOTSUPP);
            assertThat(kernel.call(FuseProtocol.LSEEK, MODE, FakeKernel.body(24))
                            .error())
                    .isEqualTo(Errno.EINVAL);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 14, 15, 16, 18, 20, 25, 27, 28, 36, 43, 46})
    void aRequestThatIsCutShortIsRefused(int opcode) throws Exception {
        try (FakeKernel kernel = kernel()) {
            assertThat(kernel.call(opcode, 2, FakeKernel.body(0)).error()).isEqualTo(Errno.EINVAL);
            assertThat(kernel.read(0, 10).error()).isZero();
        }
    }

    @Test
    void aMessageThatLiesAboutItsLengthIsRefused() throws Exception {
        try (FakeKernel kernel = kernel()) {
            kernel.sendRaw(
                    80,
                    81,
                    FuseProtocol.READ,
                    7,
                    2,
                    FakeKernel.body(40).putLong(0).putLong(0).putInt(10));
            assertThat(kernel.await(7).error()).isEqualTo(Errno.EINVAL);
            kernel.sendRaw(20, 20, FuseProtocol.READ, 9, 2, FakeKernel.body(0)); // can't even be answered
            ByteBuffer less = FakeKernel.body(50).putLong(1).putLong(0).putInt(11);
            assertThat(kernel.call(FuseProtocol.WRITE, 2, less).error())
                    .as("ten bytes of payload where eleven are said")
                    .isEqualTo(Errno.EINVAL);
            assertThat(device.log).isEmpty();
            assertThat(kernel.read(0, 10).error()).isZero();
        }
    }

    // ------------------------------------------------------------------------------------------------------- the end

    @Test
    void unmountingEndsEverything() throws Exception {
        FakeKernel kernel = kernel();
        assertThat(kernel.server().isAlive()).isTrue();
        assertThat(kernel.call(FuseProtocol.DESTROY, 0, FakeKernel.body(0)).error())
                .isZero();
        CountDownLatch given = new CountDownLatch(1);
        device.afterRelease = given::countDown;
        kernel.unmount();
        given.await();
        kernel.close();
        assertThat(kernel.server().isAlive()).isFalse();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void aDeviceThatClosesItsSessionsEndsEverything() throws Exception {
        FakeKernel kernel = kernel();
        CountDownLatch given = new CountDownLatch(1);
        device.afterRelease = given::countDown;
        device.closeSessions();
        given.await();
        kernel.awaitEnd();
        assertThat(kernel.server().isAlive()).isFalse();
        assertThat(kernel.server().leave()).isFalse();
        kernel.close();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void stoppingDropsWhatWaits() throws Exception {
        device.deferWhere = _ -> true;
        FakeKernel kernel = kernel();
        kernel.sendRead(2, 0, 0, 10);
        device.waiting.take();
        kernel.sendWrite(MODE, 1, 0, "wait".getBytes(StandardCharsets.UTF_8), 1);
        kernel.close();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void leavingAnswersWhatCameAndLeavesTheRestToTheNextServer() throws Exception {
        byte[] bytes = fill(0, 100);
        device.deferWhere = request -> request.offsetBytes() == 0;
        FakeKernel kernel = kernel();
        long waiting = kernel.sendRead(2, 0, 0, 100);
        long word = kernel.sendWrite(MODE, 1, 0, "wait".getBytes(StandardCharsets.UTF_8), 1);
        RamDevice.Waiting inDevice = device.waiting.take();
        assertThat(kernel.isAnswered(waiting)).isFalse();
        Thread finisher = Thread.ofPlatform().start(() -> inDevice.finish(Outcome.DONE));
        assertThat(kernel.server().leave()).isTrue();
        finisher.join();
        assertThat(kernel.await(word).error()).isEqualTo(Errno.EINTR);
        assertThat(kernel.await(waiting).bytes()).isEqualTo(bytes);
        assertThat(device.openSessionCount).hasValue(0);
        device.deferWhere = null;
        long later = kernel.sendRead(2, 0, 0, 100);
        Descriptors.closeOnExec(kernel.serverEnd(), true);
        FuseServer next =
                FuseServer.start(kernel.serverEnd(), device, new Tree(device, files, 0), new Traffic(), 1, false);
        assertThat(kernel.await(later).bytes()).isEqualTo(bytes);
        kernel.unmount();
        next.stop();
        kernel.close();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void whatIsNoFuseConnectionIsRefused() throws Exception {
        Descriptors.Pair pair = Descriptors.socketPair(Descriptors.SOCK_SEQPACKET);
        Posix.close(pair.first());
        assertThatThrownBy(() ->
                        FuseServer.start(pair.second(), device, new Tree(device, files, 0), new Traffic(), 2, true))
                .isInstanceOf(FuseUnavailableException.class);
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void aFileHasAProperName() {
        for (String name : List.of("", ".", "..", "disk", "a/b", "é".repeat(128))) {
            assertThatThrownBy(() -> new FuseFile(name, () -> "", null)).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
