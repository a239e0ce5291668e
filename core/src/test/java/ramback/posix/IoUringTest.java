package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
final class IoUringTest {

    private static final long MILLISECOND_NANOS = 1_000_000;

    private final MemorySegment into = Arena.ofAuto().allocate(JAVA_LONG);

    /** A machine may forbid it. */
    private static IoUring ring(int entryCount, int flags) throws PosixException {
        try {
            return new IoUring(entryCount, flags);
        } catch (PosixException e) {
            Assumptions.assumeFalse(e.errno() == Errno.EPERM || e.errno() == Errno.ENOSYS, e.getMessage());
            throw e;
        }
    }

    private static void awaitCompletion(IoUring ring) throws PosixException {
        do {
            ring.submitAndWait(IoUring.FOREVER);
        } while (!ring.hasCompletion());
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0,
                IoUring.LONG_ENTRIES,
                IoUring.SINGLE_ISSUER,
                IoUring.SINGLE_ISSUER | IoUring.DEFERRED_WORK,
                IoUring.SINGLE_ISSUER | IoUring.DEFERRED_WORK | IoUring.LONG_ENTRIES
            })
    void aThreadThatWaitsIsWokenByAnother(int flags) throws Exception {
        try (IoUring ring = ring(4, flags);
                EventCounter counter = new EventCounter()) {
            ring.prepareRead(counter.fd(), into, 4711);
            Thread other = Thread.ofPlatform().start(() -> {
                try {
                    counter.raise();
                    counter.raise();
                } catch (PosixException e) {
                    throw new AssertionError(e);
                }
            });
            awaitCompletion(ring);
            assertThat(ring.userData()).isEqualTo(4711);
            assertThat(ring.result()).isEqualTo(Long.BYTES);
            assertThat(into.get(JAVA_LONG, 0)).isBetween(1L, 2L);
            ring.take();
            assertThat(ring.hasCompletion()).isFalse();
            other.join();
        }
    }

    @Test
    void waitingEndsWhenTheTimeIsUp() throws Exception {
        try (IoUring ring = ring(4, 0);
                EventCounter counter = new EventCounter()) {
            ring.prepareRead(counter.fd(), into, 1);
            ring.submitAndWait(MILLISECOND_NANOS);
            ring.submitAndWait(MILLISECOND_NANOS);
            assertThat(ring.hasCompletion()).isFalse();
            counter.raise();
            awaitCompletion(ring);
            assertThat(ring.userData()).isEqualTo(1);
        }
    }

    /** Entries and completions are used in turn, many times over. */
    @Test
    void whatWasPreparedTogetherIsSubmittedTogether(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("file"), new byte[1 << 16]);
        int fd = Posix.open(file, Posix.O_RDONLY, 0);
        try (IoUring ring = ring(8, IoUring.SINGLE_ISSUER | IoUring.DEFERRED_WORK)) {
            for (int round = 0; round < 100; round++) {
                for (int i = 0; i < 8; i++) {
                    ring.prepareRead(fd, into, round * 8L + i);
                }
                int expected = 0;
                while (expected < 8) {
                    awaitCompletion(ring);
                    while (ring.hasCompletion()) {
                        assertThat(ring.userData()).isEqualTo(round * 8L + expected);
                        assertThat(ring.result()).isEqualTo(Long.BYTES);
                        ring.take();
                        expected++;
                    }
                }
            }
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void moreThanThereIsRoomForIsTheCallersMistake() throws Exception {
        try (IoUring ring = ring(2, 0);
                EventCounter counter = new EventCounter()) {
            ring.prepareRead(counter.fd(), into, 1);
            ring.prepareRead(counter.fd(), into, 2);
            assertThatThrownBy(() -> ring.prepareRead(counter.fd(), into, 3))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("all 2 entries");
        }
    }

    /** What a command's driver does not know comes back as its error. */
    @Test
    void aCommandToWhatHasNoneFails(@TempDir Path directory) throws Exception {
        int fd = Posix.open(directory.resolve("file"), Posix.O_RDWR | Posix.O_CREAT, 0600);
        try (IoUring ring = ring(2, IoUring.LONG_ENTRIES)) {
            long at = ring.prepareCommand(fd, 1, 7);
            assertThat(ring.entries().get(JAVA_LONG, at + IoUring.COMMAND_OFFSET))
                    .isZero();
            awaitCompletion(ring);
            assertThat(ring.userData()).isEqualTo(7);
            assertThat(ring.result()).isEqualTo(-Errno.EOPNOTSUPP);
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void entriesBeyondTheLimitAreRefused() throws Exception {
        ring(1, 0).close();
        assertThatThrownBy(() -> new IoUring(1 << 20, 0)).isInstanceOfSatisfying(PosixException.class, e -> {
            assertThat(e.errno()).isEqualTo(Errno.EINVAL);
            assertThat(e.call()).isEqualTo("io_uring_setup");
        });
    }

    @Test
    @Tag("alone")
    void aRoundAllocatesNothing() throws Exception {
        try (IoUring ring = ring(4, IoUring.SINGLE_ISSUER | IoUring.DEFERRED_WORK);
                EventCounter counter = new EventCounter()) {
            var beans = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
            long allocatedBytes = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 100 && allocatedBytes > 1000; attempt++) {
                long beforeBytes = beans.getCurrentThreadAllocatedBytes();
                for (int round = 0; round < 1000; round++) {
                    counter.raise();
                    ring.prepareRead(counter.fd(), into, round);
                    awaitCompletion(ring);
                    ring.take();
                }
                allocatedBytes = beans.getCurrentThreadAllocatedBytes() - beforeBytes;
            }
            assertThat(allocatedBytes).as("bytes for 1000 rounds").isLessThanOrEqualTo(1000);
        }
    }

    @Test
    void pagesAreAPowerOfTwo() {
        assertThat(Posix.pageBytes()).isGreaterThanOrEqualTo(4096);
        assertThat(Integer.bitCount(Posix.pageBytes())).isEqualTo(1);
    }

    @Test
    void aReadOnlyMappingShowsTheFileFromAnOffset(@TempDir Path directory) throws Exception {
        int pageBytes = Posix.pageBytes();
        byte[] content = new byte[2 * pageBytes];
        content[pageBytes] = 9;
        Path file = Files.write(directory.resolve("file"), content);
        int fd = Posix.open(file, Posix.O_RDONLY, 0);
        try {
            MemorySegment mapping = Posix.mmapReadOnly(fd, pageBytes, pageBytes);
            assertThat(mapping.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 9);
            assertThat(mapping.isReadOnly()).isTrue();
            Posix.munmap(mapping);
        } finally {
            Posix.close(fd);
        }
    }
}
