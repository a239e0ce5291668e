package ramback.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryCgroupTest {

    @TempDir
    Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    @Test
    void theLowestLimitOnTheWayUpCounts() throws IOException {
        write("proc/self/cgroup", "0::/system.slice/ramback@disk.service\n");
        assertThat(MemoryCgroup.find(root)).isNull();
        write("sys/fs/cgroup/system.slice/ramback@disk.service/memory.max", "max\n");
        assertThat(MemoryCgroup.find(root)).isNull();
        write("sys/fs/cgroup/system.slice/memory.max", "4096\n");
        assertThat(MemoryCgroup.find(root))
                .isEqualTo(new MemoryCgroup(root.resolve("sys/fs/cgroup/system.slice/memory.max"), 4096));
        write("sys/fs/cgroup/system.slice/ramback@disk.service/memory.max", "8192\n");
        assertThat(MemoryCgroup.find(root)).extracting(MemoryCgroup::limitBytes).isEqualTo(4096L);
        write("sys/fs/cgroup/system.slice/ramback@disk.service/memory.max", "1024\n");
        assertThat(MemoryCgroup.find(root)).extracting(MemoryCgroup::limitBytes).isEqualTo(1024L);
    }

    @Test
    void aContainerSeesItsOwnLimitAtTheTop() throws IOException {
        write("proc/self/cgroup", "0::/\n");
        write("sys/fs/cgroup/memory.max", "1048576\n");
        assertThat(MemoryCgroup.find(root)).extracting(MemoryCgroup::limitBytes).isEqualTo(1L << 20);
    }

    @Test
    void whatCanNotBeReadIsNoLimit() throws IOException {
        assertThat(MemoryCgroup.find(root)).isNull();
        write("proc/self/cgroup", "4:memory:/old/version\n0::/../../elsewhere\n");
        write("elsewhere/memory.max", "1\n");
        assertThat(MemoryCgroup.find(root)).isNull();
        write("proc/self/cgroup", "0::/a\n");
        write("sys/fs/cgroup/a/memory.max", "many\n");
        assertThat(MemoryCgroup.find(root)).isNull();
    }
}
