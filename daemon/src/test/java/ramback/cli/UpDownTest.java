package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Whole commands against whole devices, in this process: real engine, NBD server, control socket. */
@Timeout(value = 120, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UpDownTest {

    @TempDir
    Path directory;

    private Path ram;
    private final List<Up> running = new ArrayList<>();

    /** An {@code up} in the background. */
    private final class Up {
        final ShellOnPaper shell = new ShellOnPaper(environment());
        final CompletableFuture<Integer> exitCode;

        Up(String image, String... options) {
            String[] arguments = Stream.concat(
                            Stream.of(
                                    "up",
                                    image.startsWith("nbd")
                                            ? image
                                            : directory.resolve(image).toString(),
                                    "--ram-dir",
                                    ram().toString()),
                            Stream.concat(smallJournal(options), Stream.of(options)))
                    .toArray(String[]::new);
            exitCode = CompletableFuture.supplyAsync(() -> shell.run(arguments), UpDownTest::startThread);
            running.add(this);
        }

        Up awaitReady() throws Exception {
            shell.awaitOut(" ready, ", 1);
            assertThat(exitCode).as(shell.err()).isNotDone();
            return this;
        }
    }

    /** The common pool has one thread on a small machine, and an up keeps its own. */
    private static void startThread(Runnable work) {
        Thread.ofPlatform().daemon().start(work);
    }

    /** As small as a journal may be, where the test does not say otherwise: most of them write none or a few bytes. */
    private static Stream<String> smallJournal(String... options) {
        boolean isSaid =
                Stream.of(options).anyMatch(option -> option.startsWith("--journal") || option.equals("--read-only"));
        return isSaid ? Stream.of() : Stream.of("--journal-size", "2M");
    }

    private Map<String, String> environment() {
        return Map.of(
                "RAMBACK_RUN_DIR",
                run().toString(),
                "RAMBACK_STATE_DIR",
                directory.resolve("state").toString());
    }

    private Path run() {
        return directory.resolve("run");
    }

    private Path ram() {
        return ram;
    }

    @BeforeEach
    void makeMemoryDirectory() throws IOException {
        ram = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-test-");
    }

    private ShellOnPaper ramback(int exitCode, String... arguments) {
        ShellOnPaper shell = new ShellOnPaper(environment());
        assertThat(shell.run(arguments)).as(shell.out() + shell.err()).isEqualTo(exitCode);
        return shell;
    }

    @AfterEach
    void stopAll() throws IOException {
        for (Up up : running) {
            up.shell.signal();
            up.exitCode.join();
        }
        RamDirectory.remove(ram);
    }

    private void assertRefused(int exitCode, String message, String image, String... options) {
        Up up = new Up(image, options);
        assertThat(up.exitCode.join()).as(up.shell.err()).isEqualTo(exitCode);
        assertThat(up.shell.err()).startsWith("ramback: ").contains(message).containsOnlyOnce("\n");
        assertThat(up.shell.out()).isEmpty();
    }

    private void assertNothingLeft() throws IOException {
        assertThat(run()).isEmptyDirectory();
        try (Stream<Path> segments = Files.list(ram())) {
            assertThat(segments).isEmpty();
        }
    }

    /** What ls says once every device has answered in time. */
    private String list() throws Exception {
        while (true) {
            String out = ramback(0, "ls").out();
            if (!out.contains("unknown") && !out.contains("starting")) {
                return out;
            }
        }
    }

    @Test
    void aDeviceIsServedAskedAndStopped() throws Exception {
        Up up = new Up("disk.img", "--size", "8M", "--ram", "sparse").awaitReady();
        Path socket = run().resolve("disk/nbd.sock");
        assertThat(up.shell.out())
                .isEqualTo("ramback: disk ready, 8 MiB, writeback, nbd+unix:///disk?socket=" + socket + "\n");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(run().resolve("disk/control.sock"))))
                .isEqualTo("rw-------");
        assertThat(Files.readString(run().resolve("disk/pid")))
                .isEqualTo(ProcessHandle.current().pid() + "\n");

        assertThat(list()).contains("disk  8 MiB  writeback  ", "nbd+unix:///disk?socket=" + socket);
        assertThat(ramback(0, "status").out()).contains("disk  ", "8 MiB, 2,048 chunks of 4 KiB", socket.toString());
        assertThat(ramback(0, "status", "disk", "--json").out())
                .startsWith("{\"name\":\"disk\"")
                .contains("\"sizeBytes\":8388608")
                .containsOnlyOnce("\n");
        assertThat(ramback(0, "mode", "unsafe").out()).isEqualTo("ramback: disk is in unsafe\n");
        assertThat(ramback(0, "status", "--json").out())
                .contains("\"mode\":\"unsafe\",\"configuredMode\":\"writeback\"");
        assertThat(ramback(0, "mode", "disk", "auto").out()).isEqualTo("ramback: disk is in writeback\n");
        assertThat(ramback(0, "mode", "checkpoint").out()).isEqualTo("ramback: disk is in checkpoint\n");
        assertThat(ramback(0, "status").out()).contains("checkpoint, at most 1.00 s behind", "disk.img.journal");
        assertThat(ramback(0, "flush").out()).startsWith("ramback: disk flushed in ");

        assertThat(ramback(0, "down").out()).isEqualTo("ramback: disk has stopped\n");
        assertThat(up.exitCode.join()).isZero();
        assertThat(up.shell.err()).isEmpty();
        assertNothingLeft();
        assertThat(Files.size(directory.resolve("disk.img"))).isEqualTo(8 << 20);
    }

    @Test
    void whatAStopLeavesToBeDoneIsSaidToWhoeverAskedForIt() throws Exception {
        Up up = new Up("disk.img", "--size", "8M").awaitReady();
        Files.move(directory.resolve("disk.img"), directory.resolve("elsewhere.img"));
        // Apart from how far it is, should that take longer.
        assertThat(ramback(1, "down").err().lines().filter(line -> !line.contains("; waits for the disk: ")))
                .singleElement(STRING)
                .contains("its image is not where it was");
        assertThat(up.exitCode.join()).isOne();
    }

    @Test
    void theTraceIsSwitchedAndDumpedToANewFileOfTheOwners() throws Exception {
        new Up("disk.img", "--size", "1M").awaitReady();
        assertThat(ramback(0, "trace", "on").out()).isEqualTo("ramback: trace of disk is on\n");
        assertThat(ramback(0, "status", "--json").out()).contains("\"trace\":true");
        assertThat(ramback(0, "trace", "disk", "off").out()).isEqualTo("ramback: trace of disk is off\n");
        Path dump = directory.resolve("trace.txt");
        assertThat(ramback(0, "trace", "dump", dump.toString()).out()).endsWith(" trace events to " + dump + "\n");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(dump)))
                .isEqualTo("rw-------");
        assertThat(ramback(1, "trace", "dump", dump.toString()).err()).contains(dump + " exists");
        assertThat(ramback(1, "trace", "dump", directory.resolve("no/file").toString())
                        .err())
                .containsOnlyOnce("\n");
    }

    @Test
    void aSignalStopsItAndASecondOneIsAnswered() throws Exception {
        Up up = new Up("disk.img", "--size", "1M").awaitReady();
        up.shell.signal();
        up.shell.signal();
        assertThat(up.exitCode.join()).isZero();
        assertThat(up.shell.err())
                .startsWith("ramback: ")
                .containsAnyOf("disk still has 0 bytes", "everything is in the image");
        assertNothingLeft();
    }

    @Test
    void aSignalDuringTheStartStopsItAfterTheStart() throws Exception {
        Up up = new Up("disk.img", "--size", "1M");
        up.shell.awaitListening();
        up.shell.signal();
        assertThat(up.exitCode.join()).isZero();
        assertNothingLeft();
    }

    @Test
    void aNameThatRunsIsRefusedAndGoesOnRunning() throws Exception {
        new Up("disk.img", "--size", "1M").awaitReady();
        assertRefused(1, "a device named disk is already running (pid ", "other.img", "--size", "1M", "--name", "disk");
        assertThat(directory.resolve("other.img")).doesNotExist();
        assertThat(ramback(0, "status").out()).contains("disk");
    }

    @Test
    void anImageInUseIsRefused() throws Exception {
        new Up("disk.img", "--size", "1M").awaitReady();
        assertRefused(1, "in use", "disk.img", "--name", "second");
        assertThat(run().resolve("second")).doesNotExist();
        assertThat(ramback(0, "status", "disk").out()).contains("disk");
    }

    @Test
    void ofTwoDevicesOneMustBeNamed() throws Exception {
        new Up("a.img", "--size", "1M").awaitReady();
        new Up("b.img", "--size", "2M").awaitReady();
        assertThat(ramback(2, "status").err()).contains("2 devices are running: a, b; name the one you mean");
        assertThat(ramback(2, "down").err()).contains("a, b");
        assertThat(list()).contains("a     1 MiB  ", "b     2 MiB  ");
        ramback(0, "down", "b");
        assertThat(ramback(0, "status").out()).startsWith("a  ");
    }

    @Test
    void whatTheImageCannotBeIsSaidInOneLine() throws Exception {
        assertRefused(2, "does not exist; give --size SIZE to create it", "missing.img");
        Files.write(directory.resolve("five.img"), new byte[5]);
        assertRefused(2, "has 5 bytes, not the 1048576 of --size", "five.img", "--size", "1M");
        Files.createDirectory(directory.resolve("dir"));
        assertRefused(2, "directory", "dir");
        assertNothingLeft();
    }

    @Test
    void tooLittleMemoryIsRefusedWithNeedAndHave() throws Exception {
        assertRefused(1, "need", "huge.img", "--size", "4T");
        assertNothingLeft();
    }

    @Test
    void aDeviceOfOneByteIsADevice() throws Exception {
        new Up("tiny.img", "--size", "1").awaitReady();
        assertThat(list()).contains("tiny  1 byte");
    }

    @Test
    void anExportOfAnotherServerIsAnImage() throws Exception {
        new Up("far.img", "--size", "1M").awaitReady();
        String uri = "nbd+unix:///far?socket=" + run().resolve("far/nbd.sock");
        String journal = directory.resolve("near.journal").toString();
        assertRefused(2, "a journal beside the remote image " + uri + " is not possible", uri, "--name", "near");
        assertRefused(2, "not the 2097152 of --size", uri, "--name", "near", "--journal", "none", "--size", "2M");
        assertRefused(1, "has no export 'away'", uri.replace("///far", "///away"), "--journal", "none");

        Up near = new Up(uri, "--name", "near", "--journal", journal, "--journal-size", "2M").awaitReady();
        assertThat(ramback(0, "status", "near", "--json").out()).contains("\"backing\":{\"uri\":\"" + uri + "\"");
        assertRefused(1, "is in use by another process", uri, "--name", "other", "--journal", journal);
        assertRefused(1, "is in use: its memory segment", uri, "--name", "other", "--journal", "none");
        ramback(0, "down", "near");
        assertThat(near.exitCode.join()).isZero();
        assertThat(ramback(0, "check", uri).out()).contains(uri + " is clean", "journal " + journal + " holds 0 of ");
        // From now on the state file says where the journal is.
        new Up(uri, "--name", "near", "--journal-size", "2M").awaitReady();
        ramback(0, "down", "near");
        assertThat(ramback(0, "recover", uri).out()).contains(uri + " is clean: nothing to recover");

        ramback(0, "down", "far");
        assertRefused(1, "no connection to " + uri, uri, "--name", "near", "--journal", "none");
    }

    @Test
    void itIsServedOnTheSocketAndThePortThatWereAsked() throws Exception {
        Path socket = directory.resolve("my.sock");
        Up up = new Up("disk.img", "--size", "1M", "--socket", socket.toString(), "--listen", "127.0.0.1:0")
                .awaitReady();
        assertThat(up.shell.out()).endsWith("?socket=" + socket + "\n");
        assertThat(ramback(0, "status", "--json").out()).contains("\"tcpUri\":\"nbd://127.0.0.1:");
        ramback(0, "down");
        assertThat(socket).doesNotExist();
    }

    @Test
    void tlsIsServedWithTheKeysThatWereGivenAndWithRenewedOnesAfterAHangUp() throws Exception {
        Path certificate = directory.resolve("server.pem");
        Path key = directory.resolve("server.key");
        TestKeys first = new TestKeys(directory);
        first.writeCertificate(certificate);
        first.writeKey(key);
        Up up = new Up(
                        "disk.img",
                        "--size",
                        "1M",
                        "--listen",
                        "127.0.0.1:0",
                        "--tls-cert",
                        certificate.toString(),
                        "--tls-key",
                        key.toString())
                .awaitReady();
        int port = portOf("nbds", ramback(0, "status", "--json").out());
        assertThat(TlsClient.list(port, first.certificate())).containsExactly("disk", "disk-ro");

        TestKeys renewed = new TestKeys(directory);
        renewed.writeCertificate(certificate);
        up.shell.hangUp();
        assertThat(up.shell.err())
                .contains("were not read again, and the old ones stay in use", certificate.toString());
        assertThat(TlsClient.list(port, first.certificate())).containsExactly("disk", "disk-ro");

        renewed.writeKey(key);
        up.shell.hangUp();
        assertThat(up.shell.err()).contains("certificate and key were read again, and are in use from now on");
        assertThat(TlsClient.list(port, renewed.certificate())).containsExactly("disk", "disk-ro");
        assertThatIOException().isThrownBy(() -> TlsClient.list(port, first.certificate()));
        assertThat(up.exitCode).as("a hang-up does not end it").isNotDone();
    }

    private static int portOf(String scheme, String status) {
        Matcher uri = Pattern.compile("\"tcpUri\":\"" + scheme + "://127\\.0\\.0\\.1:([0-9]+)/")
                .matcher(status);
        assertThat(uri.find()).as(status).isTrue();
        return Integer.parseInt(uri.group(1));
    }

    @Test
    void theDashboardIsServedWhereItWasAskedAndItsTokenIsTheOwnersAlone() throws Exception {
        Up up = new Up("disk.img", "--size", "1M", "--http", "127.0.0.1:0").awaitReady();
        Path token = directory.resolve("run/disk/http-token");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(token)))
                .isEqualTo("rw-------");
        assertThat(up.shell.err())
                .contains("ramback: dashboard http://127.0.0.1:")
                .contains(token.toString())
                .doesNotContain(Files.readString(token).strip());
        assertThat(ramback(0, "status", "--json").out()).contains("\"httpUri\":\"http://127.0.0.1:");
        assertThat(ramback(0, "status").out()).contains("dashboard  http://127.0.0.1:");
        ramback(0, "down");
        assertThat(up.exitCode.join()).isZero();
        assertThat(token).doesNotExist();
    }

    @Test
    void aPortOfTheDashboardInUseIsRefusedAndNothingStays() throws Exception {
        try (ServerSocketChannel taken = ServerSocketChannel.open()) {
            taken.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            int port = ((InetSocketAddress) taken.getLocalAddress()).getPort();
            assertRefused(1, "(--http)", "disk.img", "--size", "1M", "--http", "127.0.0.1:" + port);
        }
        assertNothingLeft();
    }

    @Test
    void aPortInUseIsRefusedAndNothingStays() throws Exception {
        try (ServerSocketChannel taken = ServerSocketChannel.open()) {
            taken.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            int port = ((InetSocketAddress) taken.getLocalAddress()).getPort();
            assertRefused(1, "--listen", "disk.img", "--size", "1M", "--listen", "127.0.0.1:" + port);
        }
        assertNothingLeft();
    }

    @Test
    void aSocketOfALiveServerIsRefusedAndADeadOnesReplaced() throws Exception {
        Path socket = directory.resolve("my.sock");
        try (ServerSocketChannel live = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            live.bind(UnixDomainSocketAddress.of(socket));
            assertRefused(1, "in use by a live server", "disk.img", "--size", "1M", "--socket", socket.toString());
        }
        assertThat(directory.resolve("disk.img")).doesNotExist();
        assertThat(socket).exists();
        new Up("disk.img", "--size", "1M", "--socket", socket.toString()).awaitReady();
    }

    @Test
    void watchingGoesOnUntilASignal() throws Exception {
        new Up("disk.img", "--size", "1M").awaitReady();
        ShellOnPaper watch = new ShellOnPaper(environment());
        CompletableFuture<Integer> exitCode =
                CompletableFuture.supplyAsync(() -> watch.run("status", "--watch"), UpDownTest::startThread);
        watch.awaitOut("committed", 2);
        watch.signal();
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void watchingADeviceThatStopsEndsWithALine() throws Exception {
        new Up("disk.img", "--size", "1M").awaitReady();
        ShellOnPaper watch = new ShellOnPaper(environment());
        CompletableFuture<Integer> exitCode =
                CompletableFuture.supplyAsync(() -> watch.run("status", "--watch"), UpDownTest::startThread);
        watch.awaitOut("committed", 1);
        ramback(0, "down");
        assertThat(exitCode.join()).isIn(0, 3);
        assertThat(watch.out() + watch.err()).containsAnyOf("has stopped", "no device named disk", "disk is gone");
    }
}
