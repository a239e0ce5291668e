package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIndexOutOfBoundsException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PosixTest {
    private static final int KIB = 1024;
    private static final int MIB = 1024 * KIB;
    /** In struct termios: three words of flags come before the local ones. */
    private static final int LOCAL_FLAGS_AT = 12;

    private static final int ECHO = 8;
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    @TempDir
    Path dir;

    @Test
    void copiesOfAnyLengthBetweenAnyPlaces() {
        Random random = new Random(1);
        try (Arena arena = Arena.ofShared()) {
            byte[] source = new byte[200 * KIB];
            random.nextBytes(source);
            MemorySegment heap = MemorySegment.ofArray(source);
            MemorySegment from = arena.allocate(source.length);
            from.copyFrom(heap);
            MemorySegment to = arena.allocate(source.length);
            for (int i = 0; i < 500; i++) {
                int length = random.nextInt(2 << random.nextInt(17));
                int fromAt = random.nextInt(source.length - length + 1);
                int toAt = random.nextInt(source.length - length + 1);
                to.fill((byte) 0);
                Posix.copy(random.nextBoolean() ? from : heap, fromAt, to, toAt, length);
                byte[] expected = new byte[source.length];
                System.arraycopy(source, fromAt, expected, toAt, length);
                assertThat(to.toArray(JAVA_BYTE))
                        .as("%d bytes from %d to %d", length, fromAt, toAt)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void aCopyBeyondItsPlacesIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment small = arena.allocate(8 * KIB);
            MemorySegment large = arena.allocate(16 * KIB);
            for (long at : new long[] {-1, 4 * KIB + 1, Long.MAX_VALUE}) {
                assertThatIndexOutOfBoundsException().isThrownBy(() -> Posix.copy(large, 0, small, at, 4 * KIB));
                assertThatIndexOutOfBoundsException().isThrownBy(() -> Posix.copy(small, at, large, 0, 4 * KIB));
            }
            assertThatIndexOutOfBoundsException().isThrownBy(() -> Posix.copy(large, 0, small, 0, 16 * KIB));
            assertThat(small.toArray(JAVA_BYTE)).containsOnly(0);
        }
    }

    @Test
    void writtenBytesAreReadBackFromTheSamePlace() throws IOException {
        Path path = dir.resolve("file");
        int fd = Posix.open(path, Posix.O_RDWR | Posix.O_CREAT, 0600);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocateFrom("0123456789");
            assertThat(Posix.pwrite(fd, out, 3, 5, 100)).isEqualTo(5);
            MemorySegment in = arena.allocate(8);
            assertThat(Posix.pread(fd, in, 2, 5, 100)).isEqualTo(5);
            assertThat(in.toArray(JAVA_BYTE)).containsExactly(0, 0, '3', '4', '5', '6', '7', 0);
            assertThat(Posix.pread(fd, in, 0, 8, 103))
                    .as("short count before the end")
                    .isEqualTo(2);
            assertThat(Posix.pread(fd, in, 0, 8, 105)).as("at the end").isZero();
            Posix.fdatasync(fd);
            Posix.fsync(fd);
        } finally {
            Posix.close(fd);
        }
        assertThat(Files.size(path)).isEqualTo(105);
    }

    @Test
    void aTransferOutsideItsSegmentIsAProgrammersError() throws IOException {
        int fd = create("file", 0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(8);
            assertThatThrownBy(() -> Posix.pread(fd, memory, 4, 5, 0)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> Posix.pwrite(fd, MemorySegment.ofArray(new byte[8]), 0, 8, 0))
                    .isInstanceOf(IllegalArgumentException.class);
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void aFailureTellsCallPathErrnoAndText() {
        Path missing = dir.resolve("missing");
        assertThatExceptionOfType(PosixException.class)
                .isThrownBy(() -> Posix.open(missing, Posix.O_RDONLY, 0))
                .satisfies(e -> {
                    assertThat(e.errno()).isEqualTo(Errno.ENOENT);
                    assertThat(e.call()).isEqualTo("open");
                    assertThat(e.path()).isEqualTo(missing.toString());
                    assertThat(e.getMessage())
                            .startsWith("open " + missing + ": ")
                            .endsWith(" (ENOENT)");
                    assertThat(e.text()).isNotEmpty();
                });
        assertErrno(Errno.EBADF, () -> Posix.fdatasync(-1));
        assertErrno(Errno.EBADF, () -> Posix.close(-1));
    }

    @Test
    void openFlagsMeanOnThisProcessorWhatTheyAreCalled() throws IOException {
        Path file = dir.resolve("file");
        Posix.close(Posix.open(file, Posix.O_RDWR | Posix.O_CREAT | Posix.O_EXCL, 0600));
        assertErrno(Errno.EEXIST, () -> Posix.open(file, Posix.O_RDWR | Posix.O_CREAT | Posix.O_EXCL, 0600));
        assertErrno(Errno.ENOTDIR, () -> Posix.open(file, Posix.O_RDONLY | Posix.O_DIRECTORY, 0));
        Path link = Files.createSymbolicLink(dir.resolve("link"), file);
        assertErrno(Errno.ELOOP, () -> Posix.open(link, Posix.O_RDONLY | Posix.O_NOFOLLOW, 0));
        Posix.close(Posix.open(link, Posix.O_RDONLY, 0));
        assertErrno(Errno.EISDIR, () -> Posix.open(dir, Posix.O_RDWR, 0));
    }

    @Test
    void pathsOutsideAsciiNameTheSameFileAsInJava() throws IOException {
        Path file;
        try {
            file = dir.resolve("größe-α");
        } catch (java.nio.file.InvalidPathException e) {
            assumeTrue(false, "this locale has no such names");
            return;
        }
        Posix.close(Posix.open(file, Posix.O_RDWR | Posix.O_CREAT, 0600));
        assertThat(file).exists();
        Posix.unlink(file);
        assertThat(file).doesNotExist();
        assertErrno(Errno.ENOENT, () -> Posix.unlink(file));
    }

    @Test
    void aDirectTransferMustBeAlignedAndItsAlignmentIsKnown() throws IOException {
        Path file = dir.resolve("file");
        int fd;
        try {
            fd = Posix.open(file, Posix.O_RDWR | Posix.O_CREAT | Posix.O_DIRECT, 0600);
        } catch (PosixException e) {
            assumeTrue(false, "this filesystem has no O_DIRECT");
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            FileStatus status = Posix.status(fd);
            int alignmentBytes = status.directOffsetAlignmentBytes();
            assumeTrue(alignmentBytes > 1, "this filesystem does not tell its alignment");
            assertThat(status.directMemoryAlignmentBytes()).isPositive();
            MemorySegment memory = arena.allocate(2L * alignmentBytes, 4096);
            assertThat(Posix.pwrite(fd, memory, 0, alignmentBytes, 0)).isEqualTo(alignmentBytes);
            assertErrno(Errno.EINVAL, () -> Posix.pwrite(fd, memory, 0, alignmentBytes, 1));
            assertErrno(Errno.EINVAL, () -> Posix.pwrite(fd, memory, 0, alignmentBytes - 1L, 0));
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void statusTellsTypeSizeAndWhatIsAllocated() throws IOException {
        int fd = create("file", 0);
        try {
            Posix.ftruncate(fd, 3L * MIB + 7);
            FileStatus sparse = Posix.status(fd);
            assertThat(sparse.sizeBytes()).isEqualTo(3L * MIB + 7);
            assertThat(sparse.allocatedBytes()).isZero();
            assertThat(sparse.isRegularFile()).isTrue();
            assertThat(sparse.isDirectory() || sparse.isBlockDevice() || sparse.isCharacterDevice())
                    .isFalse();
            assertThat(sparse.inode())
                    .isEqualTo(((Number) Files.getAttribute(dir.resolve("file"), "unix:ino")).longValue());
            assertThat(sparse.modifiedNanos() / 1_000_000L)
                    .isEqualTo(Files.getLastModifiedTime(dir.resolve("file")).toMillis());
            assertThat(sparse.changedNanos()).isGreaterThanOrEqualTo(sparse.modifiedNanos());
            Posix.fchmod(fd, 0640);
            assertThat(Posix.status(fd).permissions()).isEqualTo(0640);
        } finally {
            Posix.close(fd);
        }
        int directory = Posix.open(dir, Posix.O_RDONLY | Posix.O_DIRECTORY, 0);
        try {
            FileStatus status = Posix.status(directory);
            assertThat(status.isDirectory()).isTrue();
            assertThat(status.device()).isPositive();
        } finally {
            Posix.close(directory);
        }
        Posix.syncDirectory(dir);
        int nothing = Posix.open(Path.of("/dev/null"), Posix.O_RDONLY, 0);
        try {
            assertThat(Posix.status(nothing).isCharacterDevice()).isTrue();
            assertThat(Posix.status(nothing).specialDevice()).isEqualTo(1L << 32 | 3);
        } finally {
            Posix.close(nothing);
        }
    }

    @Test
    void aPunchedRangeIsAHoleAndReadsAsZeroes() throws IOException {
        int fd = create("file", 0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ones = arena.allocate(MIB).fill((byte) 1);
            assertThat(Posix.pwrite(fd, ones, 0, MIB, 0)).isEqualTo(MIB);
            Posix.fsync(fd);
            try {
                Posix.fallocate(fd, Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE, 256L * KIB, 512L * KIB);
            } catch (PosixException e) {
                assumeTrue(e.errno() != Errno.EOPNOTSUPP, "this filesystem has no holes");
                throw e;
            }
            assertThat(Posix.seekHole(fd, 0)).isEqualTo(256L * KIB);
            assertThat(Posix.seekData(fd, 256L * KIB)).isEqualTo(768L * KIB);
            assertThat(Posix.seekData(fd, 800L * KIB)).isEqualTo(800L * KIB);
            assertThat(Posix.seekHole(fd, 800L * KIB))
                    .as("the end counts as a hole")
                    .isEqualTo(MIB);
            assertThat(Posix.seekData(fd, MIB)).isEqualTo(Posix.NONE);
            assertThat(Posix.seekHole(fd, MIB)).isEqualTo(Posix.NONE);
            assertThat(Posix.status(fd).allocatedBytes()).isLessThan(MIB);
            MemorySegment read = arena.allocate(MIB);
            assertThat(Posix.pread(fd, read, 0, MIB, 0)).isEqualTo(MIB);
            assertThat(read.asSlice(256L * KIB, 512L * KIB).mismatch(arena.allocate(512L * KIB)))
                    .isEqualTo(-1);
            assertThat(read.asSlice(0, 256L * KIB).mismatch(ones.asSlice(0, 256L * KIB)))
                    .isEqualTo(-1);
            Posix.ftruncate(fd, 0);
            Posix.ftruncate(fd, MIB);
            assertThat(Posix.seekData(fd, 0)).as("a file of holes only").isEqualTo(Posix.NONE);
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void allocatingGrowsTheFileUnlessItsSizeIsToBeKept() throws IOException {
        int fd = create("file", 0);
        try {
            Posix.fallocate(fd, Posix.FALLOC_FL_KEEP_SIZE, 0, MIB);
            assertThat(Posix.status(fd).sizeBytes()).isZero();
            assertThat(Posix.status(fd).allocatedBytes()).isGreaterThanOrEqualTo(MIB);
            Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, 0, MIB);
            assertThat(Posix.status(fd).sizeBytes()).isEqualTo(MIB);
            Posix.fallocate(fd, Posix.FALLOC_FL_ZERO_RANGE | Posix.FALLOC_FL_KEEP_SIZE, 0, MIB / 2);
        } catch (PosixException e) {
            assumeTrue(e.errno() != Errno.EOPNOTSUPP, "this filesystem cannot allocate");
            throw e;
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void theLockIsHeldByWhoeverHasTheOpenFileByWhateverNumber() throws IOException {
        int first = create("file", 0);
        int number = create("other", 0);
        int second = Posix.open(dir.resolve("file"), Posix.O_RDONLY, 0);
        try {
            Posix.lockExclusive(first);
            Descriptors.duplicate(first, number);
            Posix.close(first);
            assertThat(Posix.tryLockExclusive(second)).isFalse();
            Posix.close(number);
            Posix.lockExclusive(second);
            assertErrno(Errno.EBADF, () -> Descriptors.duplicate(number, second));
        } finally {
            Posix.close(second);
        }
    }

    @Test
    void theLockBelongsToOneOpenFileUntilItIsClosed() throws IOException {
        int first = create("file", 0);
        int second = Posix.open(dir.resolve("file"), Posix.O_RDONLY, 0);
        try {
            assertThat(Posix.tryLockExclusive(first)).isTrue();
            assertThat(Posix.tryLockExclusive(second)).isFalse();
            Posix.unlock(first);
            assertThat(Posix.tryLockExclusive(second)).isTrue();
            assertThat(Posix.tryLockExclusive(first)).isFalse();
        } finally {
            Posix.close(second);
        }
        try {
            assertThat(Posix.tryLockExclusive(first))
                    .as("after the owner closed")
                    .isTrue();
        } finally {
            Posix.close(first);
        }
    }

    @Test
    void aMappingIsTheFile() throws IOException {
        int fd = create("file", 0);
        try (Arena arena = Arena.ofConfined()) {
            Posix.ftruncate(fd, 64 * KIB);
            MemorySegment mapping = Posix.mmapShared(fd, 64 * KIB);
            assertThat(mapping.byteSize()).isEqualTo(64 * KIB);
            assertThat(mapping.address() % 4096).isZero();
            mapping.set(JAVA_LONG, 8 * KIB, 0x1122334455667788L);
            MemorySegment read = arena.allocate(JAVA_LONG);
            assertThat(Posix.pread(fd, read, 0, 8, 8 * KIB)).isEqualTo(8);
            assertThat(read.get(JAVA_LONG, 0)).isEqualTo(0x1122334455667788L);
            Posix.munmap(mapping);
            assertErrno(Errno.EINVAL, () -> Posix.mmapShared(fd, 0));
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void adviceOnSharedMemoryFillsAndFreesIt() throws IOException {
        assumeTrue(Files.isWritable(SHARED_MEMORY), "no /dev/shm to write to");
        Path path = Files.createTempFile(SHARED_MEMORY, "ramback-posix-test", "");
        int fd = Posix.open(path, Posix.O_RDWR, 0);
        try {
            Posix.unlink(path);
            assertThat(Posix.filesystemStatus(fd).isTmpfs()).isTrue();
            Posix.ftruncate(fd, 4L * MIB);
            MemorySegment mapping = Posix.mmapShared(fd, 4L * MIB);
            Posix.madvise(mapping, Posix.MADV_DONTDUMP);
            try {
                Posix.madvise(mapping, Posix.MADV_HUGEPAGE);
            } catch (PosixException e) {
                assertThat(e.errno()).as("a kernel without huge pages").isEqualTo(Errno.EINVAL);
            }
            Posix.madvise(mapping.asSlice(0, MIB), Posix.MADV_POPULATE_WRITE);
            assertThat(Posix.status(fd).allocatedBytes()).isGreaterThanOrEqualTo(MIB);
            mapping.set(JAVA_LONG, 0, 7);
            Posix.madvise(mapping, Posix.MADV_DONTNEED);
            assertThat(mapping.get(JAVA_LONG, 0))
                    .as("a shared page is only unmapped")
                    .isEqualTo(7);
            Posix.fallocate(fd, Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE, 0, 4L * MIB);
            assertThat(Posix.status(fd).allocatedBytes()).isZero();
            assertErrno(Errno.EINVAL, () -> Posix.madvise(mapping.asSlice(0, MIB), 12345));
            Posix.munmap(mapping);
        } finally {
            Posix.close(fd);
            Files.deleteIfExists(path);
        }
    }

    @Test
    void theFilesystemTellsWhatIsFree() throws IOException {
        int fd = create("file", 0);
        try {
            FilesystemStatus status = Posix.filesystemStatus(fd);
            assertThat(status.type()).isNotZero();
            long usableBytes = Files.getFileStore(dir).getUsableSpace();
            assertThat(status.availableBytes())
                    .isBetween(usableBytes - usableBytes / 10, usableBytes + usableBytes / 10 + MIB);
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void aBlockDeviceTellsItsSizeAndZeroesRanges() throws IOException {
        int file = create("disk", 0);
        Posix.ftruncate(file, 8L * MIB);
        Posix.close(file);
        try (LoopDevice loop = LoopDevice.attach(dir.resolve("disk"));
                Arena arena = Arena.ofConfined()) {
            int fd = Posix.open(loop.path(), Posix.O_RDWR | Posix.O_DIRECT | Posix.O_EXCL, 0);
            try {
                assertErrno(Errno.EBUSY, () -> Posix.open(loop.path(), Posix.O_RDWR | Posix.O_EXCL, 0));
                assertThat(Posix.status(fd).isBlockDevice()).isTrue();
                assertThat(Posix.status(fd).sizeBytes()).isZero();
                assertThat(Posix.blockDeviceSizeBytes(fd)).isEqualTo(8L * MIB);
                int sectorBytes = Posix.blockDeviceSectorBytes(fd);
                assertThat(sectorBytes).isEqualTo(512);
                assertThat(Posix.blockDeviceReadOnly(fd)).isFalse();
                MemorySegment memory = arena.allocate(64 * KIB, 4096).fill((byte) 9);
                assertThat(Posix.pwrite(fd, memory, 0, 64 * KIB, MIB)).isEqualTo(64 * KIB);
                Posix.blockDeviceZero(fd, MIB + 512, 1024);
                assertThat(Posix.pread(fd, memory, 0, 64 * KIB, MIB)).isEqualTo(64 * KIB);
                assertThat(memory.get(JAVA_BYTE, 511)).isEqualTo((byte) 9);
                assertThat(memory.get(JAVA_BYTE, 512)).isZero();
                assertThat(memory.get(JAVA_BYTE, 1535)).isZero();
                assertThat(memory.get(JAVA_BYTE, 1536)).isEqualTo((byte) 9);
                try {
                    Posix.blockDeviceDiscard(fd, 2L * MIB, MIB);
                } catch (PosixException e) {
                    assertThat(e.errno()).isEqualTo(Errno.EOPNOTSUPP);
                }
            } finally {
                Posix.close(fd);
            }
        }
        int notADevice = create("file", 0);
        try {
            assertErrno(Errno.ENOTTY, () -> Posix.blockDeviceSizeBytes(notADevice));
        } finally {
            Posix.close(notADevice);
        }
    }

    @Test
    void memoryIsLockedAsFarAsTheLimitGoes() throws IOException {
        Posix.LockedMemoryLimits before = Posix.raiseLockedMemoryLimit();
        assertThat(Posix.raiseLockedMemoryLimit())
                .isEqualTo(new Posix.LockedMemoryLimits(before.hardBytes(), before.hardBytes()));
        MemorySegment memory = Posix.mmapAnonymous(16 * KIB);
        long otherKibibytes = lockedKibibytes();
        try {
            Posix.lock(memory.asSlice(0, 4 * KIB), false);
            assertThat(lockedKibibytes()).isEqualTo(otherKibibytes + 4);
            Posix.lock(memory, true);
            assertThat(lockedKibibytes()).isEqualTo(otherKibibytes + 16);
            Posix.unlock(memory);
            assertThat(lockedKibibytes()).isEqualTo(otherKibibytes);
        } finally {
            Posix.munmap(memory);
        }
    }

    private static long lockedKibibytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmLck:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new AssertionError("no VmLck");
    }

    @Test
    void onlyWhoMayBeOneCanAskWhetherItIsAnIoFlusher() {
        try {
            assertThat(Posix.isIoFlusher()).isFalse();
        } catch (PosixException e) {
            assertThat(e.errno()).isEqualTo(Errno.EPERM);
        }
    }

    @Test
    void aDatagramArrivesWholeAtAPathAndAtAnAbstractName() throws Throwable {
        for (String name : new String[] {dir.resolve("socket").toString(), "@ramback-test-" + System.nanoTime()}) {
            int fd = Posix.datagramSocket();
            try (DatagramReceiver receiver = new DatagramReceiver(name)) {
                Posix.sendDatagram(fd, name, "READY=1\nSTATUS=grün".getBytes(UTF_8));
                Posix.sendDatagram(fd, name, "second".getBytes(UTF_8));
                assertThat(receiver.receive()).as(name).isEqualTo("READY=1\nSTATUS=grün");
                assertThat(receiver.receive()).as(name).isEqualTo("second");
                assertThat(receiver.receive()).as(name).isNull();
            } finally {
                Posix.close(fd);
            }
        }
    }

    @Test
    void aDatagramThatNobodyReceivesIsAnError() throws Throwable {
        int fd = Posix.datagramSocket();
        try {
            byte[] message = {1};
            String left = dir.resolve("left").toString();
            new DatagramReceiver(left).close();
            assertErrno(Errno.ECONNREFUSED, () -> Posix.sendDatagram(fd, left, message));
            assertErrno(
                    Errno.ENOENT,
                    () -> Posix.sendDatagram(fd, dir.resolve("none").toString(), message));
            assertErrno(Errno.ECONNREFUSED, () -> Posix.sendDatagram(fd, "@ramback-nobody", message));
            assertErrno(Errno.ENAMETOOLONG, () -> Posix.sendDatagram(fd, "/" + "x".repeat(107), message));
            assertErrno(Errno.ENAMETOOLONG, () -> Posix.sendDatagram(fd, "@" + "x".repeat(108), message));
            assertErrno(Errno.ECONNREFUSED, () -> Posix.sendDatagram(fd, "@" + "x".repeat(107), message));
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void onlyLinuxOnTwoProcessorsIsAccepted() {
        assertThat(Abi.of("Linux", "amd64")).isEqualTo(Abi.X86_64);
        assertThat(Abi.of("Linux", "aarch64")).isEqualTo(Abi.AARCH64);
        assertThatThrownBy(() -> Abi.of("Linux", "riscv64"))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("Linux riscv64");
        assertThatThrownBy(() -> Abi.of("Mac OS X", "aarch64"))
                .isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("Mac OS X aarch64");
    }

    private int create(String name, int extraFlags) throws PosixException {
        return Posix.open(dir.resolve(name), Posix.O_RDWR | Posix.O_CREAT | extraFlags, 0600);
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatExceptionOfType(PosixException.class)
                .isThrownBy(call)
                .satisfies(e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno));
    }

    @Test
    void onlyATerminalHasTheSettingsOfOne() throws IOException {
        int fd = Posix.open(Path.of("/dev/ptmx"), Posix.O_RDWR, 0);
        try {
            byte[] before = Posix.terminalSettings(fd);
            byte[] changed = before.clone();
            changed[LOCAL_FLAGS_AT] ^= ECHO;
            Posix.setTerminalSettings(fd, changed);
            assertThat(Posix.terminalSettings(fd)).isEqualTo(changed).isNotEqualTo(before);
        } finally {
            Posix.close(fd);
        }
        int file = Posix.open(dir.resolve("file"), Posix.O_RDWR | Posix.O_CREAT, 0600);
        try {
            assertErrno(Errno.ENOTTY, () -> Posix.terminalSettings(file));
        } finally {
            Posix.close(file);
        }
    }
}
