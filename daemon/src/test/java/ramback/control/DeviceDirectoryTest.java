package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.device.Mode;
import ramback.engine.Orders;
import ramback.engine.Refusal;

class DeviceDirectoryTest {

    @TempDir
    Path directory;

    private RunDirectory run() {
        return new RunDirectory(directory.resolve("run"));
    }

    private static String mode(Path file) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }

    @Test
    void onlyTheOwnerEnters() throws Exception {
        try (DeviceDirectory _ = DeviceDirectory.claim(run(), "disk")) {
            assertThat(mode(run().path())).isEqualTo("rwx------");
            assertThat(mode(run().of("disk"))).isEqualTo("rwx------");
            assertThat(run().pid("disk")).isEqualTo(ProcessHandle.current().pid());
        }
    }

    @Test
    void whatADeadOwnerLeftIsSweptButForWhatHeWasTold() throws Exception {
        Files.createDirectories(run().of("disk"));
        Files.writeString(run().of("disk").resolve("orders"), "mode unsafe\n");
        Files.writeString(run().of("disk").resolve("control.sock"), "");
        try (DeviceDirectory claimed = DeviceDirectory.claim(run(), "disk")) {
            assertThat(claimed.orders().left()).isEqualTo(new Orders(null, Mode.UNSAFE));
            assertThat(run().of("disk").resolve("orders")).exists();
            assertThat(run().of("disk").resolve("control.sock")).doesNotExist();
        }
        assertThat(run().path()).isEmptyDirectory();
    }

    @Test
    void nothingIsLeftAfterwards() throws Exception {
        for (int round = 0; round < 100; round++) {
            DeviceDirectory.claim(run(), "disk").close();
            assertThat(run().path()).isEmptyDirectory();
        }
    }

    @Test
    void aNameThatIsTakenIsRefusedWithThePidAndAWayOut() throws Exception {
        try (DeviceDirectory _ = DeviceDirectory.claim(run(), "disk")) {
            assertThatThrownBy(() -> DeviceDirectory.claim(run(), "disk"))
                    .hasMessage("a device named disk is already running (pid "
                            + ProcessHandle.current().pid()
                            + "); stop it with 'ramback down disk' or choose another name with --name");
            DeviceDirectory.claim(run(), "other").close();
        }
    }

    @Test
    void whatADeadDaemonLeftIsReplaced() throws Exception {
        RunDirectory.makePrivate(
                Files.createDirectories(run().path().getParent()).resolve("run"));
        Path dead = Files.createDirectory(run().of("disk"));
        for (String name : List.of("lock", "lock.1234", "pid", "control.sock", "nbd.sock")) {
            Files.writeString(dead.resolve(name), "4194305\n");
        }
        try (DeviceDirectory _ = DeviceDirectory.claim(run(), "disk")) {
            assertThat(dead).isDirectoryNotContaining("glob:**/*.sock");
            assertThat(run().pid("disk")).isEqualTo(ProcessHandle.current().pid());
        }
        assertThat(run().path()).isEmptyDirectory();
    }

    @Test
    void anotherProcessThatHoldsTheNameIsRespected() throws Exception {
        Process other = Claimant.start(run());
        try {
            assertThat(other.inputReader().readLine()).isEqualTo("claimed");
            assertThatThrownBy(() -> DeviceDirectory.claim(run(), "disk"))
                    .hasMessageContaining("already running (pid " + other.pid() + ")");
        } finally {
            other.destroyForcibly().waitFor();
        }
        // Killed: its lock is gone with it.
        DeviceDirectory.claim(run(), "disk").close();
        assertThat(run().path()).isEmptyDirectory();
    }

    @Test
    void ofManyProcessesThatStartAtOnceExactlyOneWins() throws Exception {
        List<Process> claimants = new ArrayList<>();
        try {
            for (int i = 0; i < 4; i++) {
                claimants.add(Claimant.start(run()));
            }
            List<String> outcomes = new ArrayList<>();
            for (Process claimant : claimants) {
                outcomes.add(claimant.inputReader().readLine());
            }
            assertThat(outcomes).containsOnlyOnce("claimed").containsOnly("claimed", "refused");
        } finally {
            for (Process claimant : claimants) {
                claimant.destroyForcibly().waitFor();
            }
        }
    }

    /** A process that claims the name and holds it until it is killed. */
    static final class Claimant {

        static Process start(RunDirectory run) throws IOException {
            return new ProcessBuilder(
                            ProcessHandle.current().info().command().orElseThrow(),
                            "-cp",
                            System.getProperty("java.class.path"),
                            "-XX:TieredStopAtLevel=1",
                            Claimant.class.getName(),
                            run.path().toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        }

        public static void main(String[] arguments) throws Exception {
            String outcome;
            try {
                DeviceDirectory.claim(new RunDirectory(Path.of(arguments[0])), "disk");
                outcome = "claimed";
            } catch (Refusal e) {
                outcome = "refused";
            }
            System.out.println(outcome);
            System.out.flush();
            System.in.read(); // the parent's end, or its kill
        }
    }

    @Test
    void claimsAndReleasesFromManyThreadsNeverOverlapAndAlwaysSucceedInTheEnd() throws Exception {
        CountDownLatch start = new CountDownLatch(1);
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<Integer>> wins = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                wins.add(threads.submit(() -> {
                    start.await();
                    int won = 0;
                    for (int round = 0; round < 50; round++) {
                        try (DeviceDirectory _ = DeviceDirectory.claim(run(), "disk")) {
                            won++;
                            assertThat(run().pid("disk")).isPositive();
                        } catch (Refusal e) {
                            assertThat(e).hasMessageContaining("already running");
                        }
                    }
                    return won;
                }));
            }
            start.countDown();
            int total = 0;
            for (Future<Integer> win : wins) {
                total += win.get();
            }
            assertThat(total).isPositive();
        }
        assertThat(run().path()).isEmptyDirectory();
    }

    @Test
    void aRunDirectoryThatOthersCanWriteIsRefused() throws Exception {
        Path open = Files.createDirectory(directory.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThatThrownBy(() -> DeviceDirectory.claim(new RunDirectory(open), "disk"))
                .hasMessageContaining("can be written by others; chmod it to 0700");
    }

    @Test
    void aRunDirectoryThatIsAFileIsRefused() throws Exception {
        Path file = Files.createFile(directory.resolve("file"));
        assertThatThrownBy(() -> DeviceDirectory.claim(new RunDirectory(file), "disk"))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("cannot make the run directory");
    }

    @Test
    void aSymbolicLinkInPlaceOfTheDirectoryIsNotFollowed() throws Exception {
        Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
        run().make();
        Files.createSymbolicLink(run().of("disk"), elsewhere);
        assertThatThrownBy(() -> DeviceDirectory.claim(run(), "disk")).isInstanceOf(Refusal.class);
        assertThat(elsewhere).isEmptyDirectory();
    }
}
