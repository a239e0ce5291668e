package ramback.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.memory.MemoryLock;

class LinuxHostTest {

    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    @TempDir
    Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private List<String> threats(long sizeBytes, boolean isSparse, MemoryLock lock) {
        return new LinuxHost(root).threats(new DeviceMemory(SHARED_MEMORY, sizeBytes, isSparse, lock));
    }

    private boolean removesMemoryOf(int userId) {
        return new LoginManager(root).removesMemoryOf(userId, "ada");
    }

    @Test
    void aMachineThatSaysNothingThreatensNothing() {
        assertThat(threats(1 << 20, false, MemoryLock.NONE)).isEmpty();
        assertThat(threats(1 << 20, true, MemoryLock.STATES)).isEmpty();
    }

    @Test
    void swapThreatensWhatIsNotLocked() throws IOException {
        write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
        assertThat(threats(5 << 20, false, MemoryLock.STATES)).isEmpty();
        write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 975868 0 -2\n");
        assertThat(threats(5 << 20, false, MemoryLock.ALL)).isEmpty();
        assertThat(threats(5 << 20, false, MemoryLock.STATES))
                .singleElement()
                .asString()
                .contains("swap is on", "5 MiB", "LimitMEMLOCK=infinity");
        assertThat(threats(5 << 20, true, MemoryLock.STATES))
                .singleElement()
                .asString()
                .contains("swap is on", "--ram reserve", "noswap");
    }

    @Test
    void aCgroupsLimitThreatensALargerDevice() throws IOException {
        write("proc/self/cgroup", "0::/a\n");
        write("sys/fs/cgroup/a/memory.max", "2097152\n");
        assertThat(threats(2 << 20, true, MemoryLock.STATES)).isEmpty();
        assertThat(threats(3 << 20, true, MemoryLock.STATES))
                .singleElement()
                .asString()
                .contains("takes up to 3 MiB", "only 2 MiB", "sys/fs/cgroup/a/memory.max");
    }

    @Test
    void aSparseDeviceMayOutgrowItsTmpfs() throws IOException {
        long limitBytes = Files.getFileStore(SHARED_MEMORY).getTotalSpace();
        assertThat(threats(limitBytes, true, MemoryLock.STATES)).isEmpty();
        assertThat(threats(limitBytes + 1, true, MemoryLock.STATES))
                .singleElement()
                .asString()
                .contains("tmpfs of /dev/shm", "'no space'", "remount");
    }

    @Test
    void systemdRemovesTheMemoryOfUsersWhoLogOut() throws IOException {
        assertThat(removesMemoryOf(1000)).as("no logind").isFalse();
        Files.createDirectories(root.resolve("run/systemd/users"));
        assertThat(removesMemoryOf(1000)).as("by default").isTrue();
        assertThat(removesMemoryOf(0)).isFalse();
        assertThat(removesMemoryOf(999)).as("a user of the system").isFalse();
        write("var/lib/systemd/linger/ada", "");
        assertThat(removesMemoryOf(1000)).as("lingers").isFalse();
    }

    @Test
    void theLastWordOnRemovingItIsTheLastOfThePartsByName() throws IOException {
        Files.createDirectories(root.resolve("run/systemd/users"));
        write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
        assertThat(removesMemoryOf(1000)).isTrue();
        write("etc/systemd/logind.conf", "[Login]\nRemoveIPC = no\n");
        assertThat(removesMemoryOf(1000)).isFalse();
        write("usr/lib/systemd/logind.conf", "[Login]\nRemoveIPC=yes\n");
        assertThat(removesMemoryOf(1000)).as("the one in /etc hides it").isFalse();
        write("usr/lib/systemd/logind.conf.d/50-a.conf", "[Login]\nRemoveIPC=yes\n");
        assertThat(removesMemoryOf(1000)).isTrue();
        write("run/systemd/logind.conf.d/60-b.conf", "[Login]\nRemoveIPC=off\n");
        assertThat(removesMemoryOf(1000)).isFalse();
        write("etc/systemd/logind.conf.d/60-b.conf", "[Login]\nKillUserProcesses=no\n");
        assertThat(removesMemoryOf(1000))
                .as("it hides the one of its name in /run")
                .isTrue();
    }
}
