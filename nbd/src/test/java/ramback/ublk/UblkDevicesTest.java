package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.nbd.RamDevice;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/** Which block devices are whose, who may remove or recover them, and when. */
@Timeout(60)
final class UblkDevicesTest {

    private static final String OWNER = "/run/ramback/disk";
    private static final long MARK = DeviceInfo.markOf(OWNER);
    private static final int NOBODY = 4711;
    private static final Parameters TOLD = new Parameters(1 << 20, 4096, false);

    @TempDir
    Path dir;

    private final FakeControl driver = new FakeControl();
    private UblkDevices devices;

    @BeforeEach
    void makeFiles() throws IOException {
        Files.createDirectories(dir.resolve("dev"));
        devices = devices(Duration.ofSeconds(50), driver::open);
    }

    private UblkDevices devices(Duration patience, Control.Opener opener) {
        return new UblkDevices(opener, dir.resolve("dev"), dir.resolve("proc"), patience, patience);
    }

    @AfterEach
    void controlDevicesAreClosed() {
        assertThat(driver.openCount).isZero();
    }

    private void process(int pid, char state) throws IOException {
        Path process = Files.createDirectories(dir.resolve("proc/" + pid));
        Files.writeString(process.resolve("stat"), pid + " (a (b) c) " + state + " 1 4711 4711\n");
    }

    private void node(String name) throws IOException {
        Files.createFile(dir.resolve("dev").resolve(name));
    }

    private static void assertRefused(String message, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOf(UblkException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    // ------------------------------------------------------------------------------------------------- find

    @Test
    void thoseOfTheOwnerAreFound() throws Exception {
        for (int id : new int[] {10, 2, 3, 4}) {
            node("ublkc" + id);
        }
        driver.has(10, DeviceInfo.DEAD, NOBODY, MARK, TOLD);
        driver.has(2, DeviceInfo.QUIESCED, NOBODY, MARK, TOLD);
        driver.has(3, DeviceInfo.LIVE, NOBODY, DeviceInfo.markOf("other"), TOLD);
        assertThat(devices.find(OWNER)).containsExactly(2, 10);
    }

    /** As two containers have that share /dev and call their devices alike. */
    @Test
    void whatIsServedByWhoCannotBeSeenIsNotFound() throws Exception {
        for (int id = 1; id <= 3; id++) {
            node("ublkc" + id);
        }
        driver.has(1, DeviceInfo.LIVE, NOBODY, MARK, TOLD);
        driver.has(2, DeviceInfo.LIVE, NOBODY + 1, MARK, TOLD);
        driver.has(3, DeviceInfo.LIVE, NOBODY + 2, MARK, TOLD);
        process(NOBODY + 1, 'S');
        process(NOBODY + 2, 'Z');
        assertThat(devices(Duration.ZERO, driver::open).find(OWNER)).containsExactly(2, 3);
        int[] askedCount = {0};
        driver.onInfo = () -> {
            if (++askedCount[0] == 4) {
                driver.has(1, DeviceInfo.QUIESCED, NOBODY, MARK, TOLD);
            }
        };
        assertThat(devices.find(OWNER)).as("once its end has been seen").containsExactly(1, 2, 3);
    }

    @Test
    void whereThereAreNoneTheDriverIsNotAsked() throws Exception {
        node("ublkb0");
        UblkDevices unasked = devices(Duration.ZERO, () -> {
            throw new PosixException("io_uring_setup", Errno.ENOMEM, null);
        });
        assertThat(unasked.find(OWNER)).isEmpty();
        node("ublkc0");
        assertRefused("cannot look for ublk devices", () -> unasked.find(OWNER));
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EPERM, Errno.EACCES, Errno.ENOSYS})
    void forWhomTheDriverDoesNotAnswerThereAreNone(int errno) throws Exception {
        node("ublkc0");
        UblkDevices closed = devices(Duration.ZERO, () -> {
            throw new PosixException("io_uring_setup", errno, null);
        });
        assertThat(closed.find(OWNER)).isEmpty();
    }

    // ------------------------------------------------------------------------------------------------- remove

    @Test
    void whatNobodyServesIsRemoved() throws Exception {
        driver.has(1, DeviceInfo.QUIESCED, NOBODY, MARK, TOLD);
        driver.has(2, DeviceInfo.DEAD, NOBODY, MARK, TOLD);
        process(NOBODY, 'S'); // the number is another process's by now
        devices.remove(OWNER, 1);
        devices.remove(OWNER, 2);
        assertThat(driver.infos).isEmpty();
        devices.remove(OWNER, 1); // there is none any more
    }

    @Test
    void whatIsAnothersIsNotRemoved() {
        driver.has(1, DeviceInfo.QUIESCED, NOBODY, 7, TOLD);
        driver.has(2, DeviceInfo.QUIESCED, NOBODY, DeviceInfo.markOf("/run/other/disk"), TOLD);
        assertRefused("ublkb1 was not made by ramback", () -> devices.remove(OWNER, 1));
        assertRefused("ublkb2 was made for another device than that of " + OWNER, () -> devices.remove(OWNER, 2));
        assertThat(driver.infos).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(chars = {'S', 'R', 'D', 'T'})
    void whatALivingProcessServesIsNotRemoved(char state) throws Exception {
        driver.has(1, DeviceInfo.LIVE, NOBODY, MARK, TOLD);
        process(NOBODY, state);
        assertRefused("is still served, by process 4711", () -> devices.remove(OWNER, 1));
        assertThat(driver.infos).hasSize(1);
    }

    /** A thread of it may wait for this very block device, and would for ever. */
    @Test
    void whatAProcessServedThatCannotEndIsRemoved() throws Exception {
        driver.has(1, DeviceInfo.LIVE, NOBODY, MARK, TOLD);
        process(NOBODY, 'Z');
        devices.remove(OWNER, 1);
        assertThat(driver.infos).isEmpty();
    }

    @Test
    void whatIsServedByWhoCannotBeSeenIsRemovedOnceTheDriverHasSeenHisEnd() throws Exception {
        for (int pid : new int[] {NOBODY, (int) ProcessHandle.current().pid()}) {
            driver.has(1, DeviceInfo.LIVE, pid, MARK, TOLD);
            assertRefused(
                    "is still served, by process " + pid,
                    () -> devices(Duration.ZERO, driver::open).remove(OWNER, 1));
            int[] askedCount = {0};
            driver.onInfo = () -> {
                if (++askedCount[0] == 4) {
                    driver.has(1, DeviceInfo.QUIESCED, pid, MARK, TOLD);
                }
            };
            devices.remove(OWNER, 1);
            assertThat(driver.infos).isEmpty();
        }
    }

    // ------------------------------------------------------------------------------------------------- recover

    private DeviceInfo recovered(RamDevice device, int id) throws Exception {
        try (Control control = driver.open()) {
            return devices.beginRecovery(control, device, OWNER, id);
        }
    }

    private static RamDevice device(boolean readOnly) {
        return new RamDevice("disk", Arena.ofAuto().allocate(1 << 20), 4096, readOnly, 4, 4);
    }

    @Test
    void theSameDeviceGoesOnOnceTheDriverHasSeenTheEnd() throws Exception {
        driver.has(1, DeviceInfo.LIVE, NOBODY, MARK, TOLD);
        int[] askedCount = {0};
        driver.onInfo = () -> {
            if (++askedCount[0] == 4) {
                driver.has(1, DeviceInfo.QUIESCED, NOBODY, MARK, TOLD);
            }
        };
        assertThat(recovered(device(false), 1).id()).isEqualTo(1);
    }

    @Test
    void anotherDeviceDoesNotGoOn() {
        driver.has(1, DeviceInfo.QUIESCED, NOBODY, DeviceInfo.markOf("other"), TOLD);
        driver.has(2, DeviceInfo.QUIESCED, NOBODY, MARK, new Parameters(2 << 20, 4096, false));
        driver.has(3, DeviceInfo.DEAD, NOBODY, MARK, TOLD);
        assertRefused("was not made for disk", () -> recovered(device(false), 1));
        assertRefused("has 2097152 bytes, disk has 1048576 now", () -> recovered(device(false), 2));
        assertRefused("was stopped", () -> recovered(device(false), 3));
    }

    @Test
    void aDeviceThatIsReadOnlyNowDoesNotGoOnWithWhoWrites() throws Exception {
        driver.has(1, DeviceInfo.QUIESCED, NOBODY, MARK, TOLD);
        driver.has(2, DeviceInfo.QUIESCED, NOBODY, MARK, new Parameters(1 << 20, 4096, true));
        assertRefused("ublkb1 can be written, and disk is read-only now", () -> recovered(device(true), 1));
        assertThat(recovered(device(true), 2).id()).isEqualTo(2);
        assertThat(recovered(device(false), 2).id()).isEqualTo(2);
    }
}
