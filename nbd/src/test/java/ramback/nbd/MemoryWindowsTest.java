package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MemoryWindowsTest {

    private static final long SIZE_BYTES = (5L << 30) + 7;
    private static final int PAYLOAD_MAX = 32 << 20;

    @TempDir
    Path directory;

    @Test
    void everyRangeLiesWithinOneWindow() throws Exception {
        try (Arena arena = Arena.ofShared();
                FileChannel sparse = FileChannel.open(
                        directory.resolve("sparse"),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.SPARSE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            MemorySegment memory = sparse.map(FileChannel.MapMode.READ_WRITE, 0, SIZE_BYTES, arena);
            MemoryWindows windows = new MemoryWindows(memory, PAYLOAD_MAX);
            long gib = 1L << 30;
            long[] begins = {
                0, 1, gib - 1, gib, 2 * gib - PAYLOAD_MAX, 3 * gib - 1, 4 * gib + 5, 5 * gib, SIZE_BYTES - 1
            };
            for (long begin : begins) {
                int lengthBytes = (int) Math.min(PAYLOAD_MAX, SIZE_BYTES - begin);
                byte mark = (byte) (begin / 977 + 1);
                memory.set(ValueLayout.JAVA_BYTE, begin + lengthBytes - 1, (byte) (mark + 1));
                memory.set(ValueLayout.JAVA_BYTE, begin, mark);
                ByteBuffer range = windows.range(begin, lengthBytes);
                assertThat(range.remaining()).isEqualTo(lengthBytes);
                assertThat(range.get(range.position())).isEqualTo(mark);
                if (lengthBytes > 1) {
                    assertThat(range.get(range.limit() - 1)).isEqualTo((byte) (mark + 1));
                }
                assertThat(windows.range(begin, 1).remaining()).isEqualTo(1);
            }
        }
    }

    @Test
    void aMemoryOfWholeWindowsEndsWithTheLast() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(10);
            assertThat(new MemoryWindows(memory, PAYLOAD_MAX).range(0, 10).remaining())
                    .isEqualTo(10);
        }
    }
}
