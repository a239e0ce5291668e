package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused before any device is touched: one line on standard error, nothing on standard output. */
class BadInputTest {

    @TempDir
    Path directory;

    private void assertRefused(int exitCode, String message, String... arguments) {
        ShellOnPaper shell = new ShellOnPaper(directory.resolve("run"));
        assertThat(shell.run(arguments)).as(shell.err()).isEqualTo(exitCode);
        assertThat(shell.err())
                .startsWith("ramback: ")
                .endsWith("\n")
                .containsOnlyOnce("\n")
                .contains(message);
        assertThat(shell.out()).isEmpty();
        assertThat(directory.resolve("run")).doesNotExist();
    }

    static Stream<Arguments> badOptions() {
        return Stream.of(
                bad("bad --size 'abc': not a size", "--size", "abc"),
                bad("bad --size '0': must be at least 1 byte", "--size", "0"),
                bad("bad --size '-1G': must be at least 1 byte", "--size=-1G"),
                bad("bad --size '16777216T': too large, the limit is", "--size", "16777216T"),
                bad("bad name 'Disk'", "--name", "Disk"),
                bad("bad name ''", "--name", ""),
                bad("bad name '..'", "--name", ".."),
                bad("bad mode 'fast'; use one of writethrough, writeback, checkpoint, unsafe", "--mode", "fast"),
                bad("bad mode 'auto'", "--mode", "auto"),
                bad(
                        "mode checkpoint needs a journal; leave --journal none out",
                        "--mode",
                        "checkpoint",
                        "--journal",
                        "none"),
                bad("bad --interval '1': not a duration", "--interval", "1"),
                bad("bad --interval '0s': must be 20ms to 1h", "--interval", "0s"),
                bad("bad --interval '19ms': must be 20ms to 1h", "--interval", "19ms"),
                bad("bad --interval '61m': must be 20ms to 1h", "--interval", "61m"),
                bad("bad --journal '': not a path", "--journal", ""),
                bad("bad --journal-size '1M': must be 2 MiB to 1 TiB", "--journal-size", "1M"),
                bad("bad --journal-size '2T': must be 2 MiB to 1 TiB", "--journal-size", "2T"),
                bad("bad --journal-size 'big': not a size", "--journal-size", "big"),
                bad("--journal-size 64M is for a journal", "--journal", "none", "--journal-size", "64M"),
                bad("bad --snapshot-buffer '16383': must be at least 4 chunks, 16 KiB", "--snapshot-buffer", "16383"),
                bad("bad --snapshot-buffer '65G': must be at least", "--snapshot-buffer", "65G"),
                bad("bad --chunk '3000': must be a power of two from 4K to 1M", "--chunk", "3000"),
                bad("bad --chunk '2K': must be a power of two", "--chunk", "2K"),
                bad("bad --chunk '2M': must be a power of two", "--chunk", "2M"),
                bad("bad --dirty-max '16383': must be at least 4 chunks, 16 KiB", "--dirty-max", "16383"),
                bad("bad --ram 'some'; use reserve or sparse", "--ram", "some"),
                bad("bad --max-clients '0': must be a whole number from 1 to 4096", "--max-clients", "0"),
                bad("bad --max-clients '4097'", "--max-clients", "4097"),
                bad("bad --listen 'x'", "--listen", "x"),
                bad("on the loopback only", "--listen", "0.0.0.0:10809"),
                bad("bad --socket ''", "--socket", ""),
                bad("unknown options: '--upss', 'a@b'", "--upss", "a@b"),
                bad("bad --ups 'ups': not NAME@HOST[:PORT], such as ups@localhost", "--ups", "ups"),
                bad("bad --ups '@localhost': not NAME@HOST[:PORT]", "--ups", "@localhost"),
                bad("bad --ups 'ups@localhost:0': port 0 is not 1 to 65535", "--ups", "ups@localhost:0"),
                bad("bad --ups 'ups@localhost:65536': port 65536", "--ups", "ups@localhost:65536"),
                bad("is for a UPS, and none is named; add --ups NAME@HOST[:PORT]", "--ups-auth", "file"),
                bad("bad --http 'x'", "--http", "x"),
                bad("add --insecure", "--http", "0.0.0.0:8080"),
                bad("--insecure is for --http HOST:PORT", "--insecure"),
                bad("on the loopback only", "--listen", "0.0.0.0:10809", "--tls", "off"),
                bad("bad --tls 'on': must be off, allow or require", "--tls", "on"),
                bad("--tls-cert FILE is missing", "--tls", "allow"),
                bad("--tls-key FILE is missing", "--tls-cert", "cert.pem"),
                bad("add that or leave them out", "--tls-ca", "ca.pem"),
                bad("add that or leave them out", "--tls", "off", "--tls-cert", "c.pem", "--tls-key", "k.pem"),
                bad("bad --tls-cert ''", "--tls-cert", "", "--tls-key", "k.pem"),
                bad("option '--size' (SIZE) should be specified only once", "--size", "1G", "--size", "2G"),
                bad("missing required parameter for option '--size'", "--size"),
                bad("unmatched argument at index 2: 'second'", "second"));
    }

    private static Arguments bad(String message, String... options) {
        return Arguments.of(message, List.of(options));
    }

    @ParameterizedTest
    @MethodSource("badOptions")
    void aBadOptionOfUpIsBadUsage(String message, List<String> options) {
        String[] start = {"up", directory.resolve("disk.img").toString()};
        String[] arguments =
                Stream.concat(Arrays.stream(start), options.stream()).toArray(String[]::new);
        assertRefused(2, message, arguments);
        assertThat(directory.resolve("disk.img")).doesNotExist();
    }

    @Test
    void aNameThatTheLocaleDoesNotHaveIsBadUsage() {
        for (String command : List.of("up", "check", "recover")) {
            String alone = "\ud800.img"; // half of a character is in no locale
            assertRefused(2, "names beyond ASCII need a UTF-8 locale, such as LC_ALL=C.UTF-8", command, alone);
        }
    }

    @Test
    void upNeedsAnImage() {
        assertRefused(2, "missing required parameter: 'IMAGE'; see 'ramback help up'", "up");
        assertRefused(2, "bad IMAGE '': not a path", "up", "");
        assertRefused(2, "bad IMAGE 'nbd:///x': it names no host; write nbd://HOST[:PORT]/EXPORT", "up", "nbd:///x");
        assertRefused(2, "bad IMAGE 'nbds://h/x': this version speaks no TLS to a server", "up", "nbds://h/x");
        assertRefused(2, "pass one with --name", "up", "nbd://localhost");
        assertRefused(2, "pass one with --name", "up", "/x/My Disk.img");
    }

    @Test
    void aSocketPathOf108BytesIsRefusedWithTheLimit() {
        String path = "/" + "s".repeat(107);
        assertRefused(
                2,
                "socket path too long: 108 bytes, limit 107 (" + path + "); choose a shorter path with --socket",
                "up",
                directory.resolve("disk.img").toString(),
                "--size",
                "1M",
                "--socket",
                path);
    }

    @Test
    void aRunDirectoryTooDeepForSocketsIsRefusedWithTheLimit() {
        Path deep = directory.resolve("d".repeat(150));
        assertRefused(
                2,
                "limit 107",
                "up",
                directory.resolve("disk.img").toString(),
                "--size",
                "1M",
                "--run-dir",
                deep.toString());
        assertThat(deep).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"attache", "x", ""})
    void aCommandThatDoesNotExistIsAnsweredWithThoseThatDo(String command) {
        assertRefused(
                2,
                "no command '" + command
                        + "'; commands: up, ls, status, top, mode, power, flush, trace, snapshot, verify, attach, detach, upgrade, down, recover, check,"
                        + " bench",
                command);
    }

    @Test
    void noCommandIsAnsweredWithThoseThatExist() {
        assertRefused(2, "no command given; commands: up, ls, ");
        assertRefused(2, "commands: up, ls, ", "--foo");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mode|missing required parameter",
                "mode fast|bad mode 'fast'; use one of writethrough, writeback, checkpoint, unsafe, auto",
                "mode a b unsafe|bad mode request 'a b unsafe'; write 'ramback mode [NAME] MODE'",
                "mode Disk unsafe|bad name 'Disk'",
                "trace|missing required parameter",
                "trace maybe|bad trace request 'maybe'; write 'ramback trace [NAME] on', 'off' or 'dump FILE'",
                "trace dump|bad trace request 'dump'",
                "trace a on off|bad trace request 'a on off'",
                "trace a b dump c|bad trace request 'a b dump c'",
                "status --xml|unknown option: '--xml'",
                "status a b|unmatched argument at index 2: 'b'",
                "down ..|bad name '..'",
                "snapshot|missing required parameter",
                "snapshot a b c|bad snapshot request 'a b c'; write 'ramback snapshot [NAME] FILE'",
                "snapshot Disk f|bad name 'Disk'",
                "recover|missing required parameter: 'IMAGE'",
                "check|missing required parameter: 'IMAGE'",
                "recover x --to-epoch -1|bad --to-epoch '-1': must be the number of an epoch",
                "recover x --to-epoch last|bad --to-epoch 'last'",
                "recover nbd://localhost:0/x|port '0' is not 1 to 65535",
                "check nbd+unix://x?socket=s|a Unix socket has no host 'x'; write three slashes",
                "check x --to-epoch 1|unknown options: '--to-epoch', '1'",
                "flush --now|unknown option"
            })
    void aBadRequestIsBadUsage(String line, String message) {
        assertRefused(2, message, line.split(" "));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "status",
                "status --json",
                "status --watch",
                "flush",
                "mode unsafe",
                "trace on",
                "snapshot f",
                "down"
            })
    void withoutADeviceThereIsNone(String line) {
        assertRefused(3, "no device is running", line.split(" "));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "status disk",
                "flush disk",
                "mode disk unsafe",
                "trace disk dump f",
                "snapshot disk f",
                "attach disk",
                "detach disk",
                "down disk"
            })
    void aDeviceThatIsNotThereIsNotFound(String line) {
        assertRefused(3, "no device named disk", line.split(" "));
    }

    @Test
    void whatAttachCannotDoIsBadUsage() {
        assertRefused(2, "bad --via 'loop'; use auto, ublk, nbd or fuse", "attach", "disk", "--via", "loop");
        assertRefused(2, "--connections 2 is for --via nbd; add that", "attach", "disk", "--connections", "2");
        for (String count : List.of("0", "17", "two")) {
            assertRefused(2, "--connections", "attach", "disk", "--via", "nbd", "--connections", count);
        }
        assertRefused(2, "--mkfs ext4 is for --mount DIR; add that", "attach", "disk", "--mkfs", "ext4");
        String here = directory.toString();
        assertRefused(2, "bad --mkfs '../ext4': not", "attach", "disk", "--mount", here, "--mkfs", "../ext4");
        assertRefused(1, "mkfs.no-such is not there; install", "attach", "--mount", here, "--mkfs", "no-such");
        assertRefused(2, "there is no such directory; make it", "attach", "disk", "--mount", here + "/nowhere");
        assertRefused(2, "bad --mount '/dev/null': not a directory", "attach", "disk", "--mount", "/dev/null");
    }

    @Test
    void lsOfNothingIsAnEmptyTable() {
        ShellOnPaper shell = new ShellOnPaper(directory.resolve("run"));
        assertThat(shell.run("ls")).isZero();
        assertThat(shell.out()).isEqualTo("NAME  SIZE  MODE  LIGHT  LOSS  DEVICE  URI\n");
    }

    @Test
    void aDaemonThatDiedIsShownAsGoneAndSaidToBeGone() throws Exception {
        Path dead = Files.createDirectories(directory.resolve("run").resolve("disk"));
        Files.createFile(dead.resolve("lock"));
        Files.writeString(dead.resolve("pid"), "4194305\n");
        ShellOnPaper shell = new ShellOnPaper(directory.resolve("run"));
        assertThat(shell.run("ls")).isZero();
        assertThat(shell.out()).contains("disk  -     -     gone   -     -       -");
        assertThat(shell.run("status")).isEqualTo(3);
        assertThat(shell.err())
                .startsWith("ramback: the daemon of disk (pid 4194305) is gone")
                .endsWith("start it again with 'ramback up'\n");
    }

    @Test
    void withoutARunDirectoryAnybodyButRootIsToldToNameOne() throws Exception {
        boolean isRoot = (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
        if (!isRoot) {
            ShellOnPaper shell = new ShellOnPaper(Map.of());
            assertThat(shell.run("ls")).isEqualTo(2);
            assertThat(shell.err()).contains("XDG_RUNTIME_DIR is not set; pass --run-dir DIR or set RAMBACK_RUN_DIR");
        }
    }

    @Test
    void withoutTheBenchmarksBenchSaysWhereTheyAre() {
        assertRefused(1, "the benchmarks (module ramback.bench) are not installed here", "bench", "nbd://localhost/x");
    }

    @Test
    void helpAndVersionGoToStandardOutput() {
        for (String line :
                List.of("--help", "help", "help up", "up --help", "status --help", "help trace", "--version")) {
            ShellOnPaper shell = new ShellOnPaper(directory);
            assertThat(shell.run(line.split(" "))).as(line).isZero();
            assertThat(shell.out()).as(line).contains("ramback");
            assertThat(shell.err()).as(line).isEmpty();
        }
    }

    @Test
    void theHelpOfUpNamesEveryOption() {
        ShellOnPaper shell = new ShellOnPaper(directory);
        shell.run("help", "up");
        assertThat(shell.out())
                .contains(
                        "--size",
                        "--name",
                        "--mode",
                        "--interval",
                        "--journal",
                        "--journal-size",
                        "--chunk",
                        "--socket",
                        "--listen",
                        "--http",
                        "--tls",
                        "--tls-cert",
                        "--tls-key",
                        "--tls-ca",
                        "--insecure",
                        "--ups",
                        "--ups-auth",
                        "--dirty-max",
                        "--snapshot-buffer",
                        "--accept-torn",
                        "--discard-ram",
                        "--ram",
                        "--max-clients",
                        "--ram-dir",
                        "--run-dir",
                        "--read-only");
    }
}
