package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.engine.Refusal;

class ToolsTest {

    @TempDir
    Path directory;

    private Tools tools() {
        return new Tools(Map.of("PATH", directory + "::relative"));
    }

    private void script(String name, String text) throws IOException {
        Path file = Files.writeString(directory.resolve(name), "#!/bin/sh\n" + text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @Test
    void aProgramIsFoundInPathFirstAndThenWhereTheSystemHasItsOwn() throws IOException {
        script("losetup", "");
        assertThat(tools().find("losetup")).isEqualTo(directory.resolve("losetup"));
        assertThat(new Tools(Map.of()).find("sh")).isNotNull().isAbsolute();
        assertThat(tools().find("no-such-program")).isNull();
    }

    @Test
    void whatAProgramSaysAndHowItEndsIsKept() throws Exception {
        script("speaker", "echo \"out $1 $LC_ALL\"; echo err >&2; cat; exit 3\n");
        assertThat(tools().run("nobody", "speaker", "a b")).isEqualTo(new Tools.Result(3, "out a b C\n", "err\n"));
    }

    @Test
    void aProgramThatSaysMoreThanAnybodyReadsComesToItsEnd() throws Exception {
        script("talker", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2\n");
        Tools.Result result = tools().run("nobody", "talker");
        assertThat(result.isDone()).isTrue();
        assertThat(result.out()).hasSize(64 << 10);
        assertThat(result.err()).hasSize(64 << 10);
    }

    @Test
    void aProgramThatDoesNotEndInTimeIsKilledAndHasFailed() throws Exception {
        script("sleeper", "echo $$ >" + directory + "/pid; exec sleep 1000\n");
        Tools hasty = new Tools(Map.of("PATH", directory.toString()), Duration.ofSeconds(1));
        Tools.Result result = hasty.run("nobody", "sleeper");
        assertThat(result.isDone()).isFalse();
        assertThat(result.reason()).isEqualTo("sleeper did not end within 1 s");
        long pid = Long.parseLong(Files.readString(directory.resolve("pid")).strip());
        ProcessHandle.of(pid).ifPresent(process -> process.onExit().join());
    }

    @Test
    void aProgramThatIsMissingIsNamedWithWhoHasIt() {
        assertThatThrownBy(() -> tools().run("the package", "no-such-program"))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("no-such-program is not there")
                .hasMessageContaining("install the package");
    }

    @Test
    void theReasonIsTheLastLineThatIsNoHint() {
        String mount = """
                mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0.
                       dmesg(1) may have more information after failed mount system call.
                """;
        assertThat(new Tools.Result(32, "", mount).reason())
                .isEqualTo("mount: /mnt: wrong fs type, bad option, bad superblock on /dev/loop0.");
        assertThat(new Tools.Result(1, "", "a\nb\n\n").reason()).isEqualTo("b");
        assertThat(new Tools.Result(7, "", "").reason()).isEqualTo("it ended with exit code 7 and said nothing");
    }

    @Test
    void nothingIsFoundOnlyWhereItCanBeRead() throws Exception {
        script("blkid", "exit 2\n");
        Path empty = Files.write(directory.resolve("empty"), new byte[5 << 20]);
        assertThat(Contents.of(empty, tools()).isNone()).isTrue();
        assertThatThrownBy(() -> Contents.of(directory.resolve("gone"), tools()))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("cannot see what " + directory.resolve("gone") + " holds");
        assertThatThrownBy(() -> Contents.of(directory, tools())).isInstanceOf(Refusal.class);
        script("blkid", "echo 'blkid: error: input/output error' >&2; exit 2\n");
        assertThatThrownBy(() -> Contents.of(empty, tools())).hasMessageEndingWith("input/output error");
    }

    @Test
    void whatBlkidPrintsIsRead() {
        assertThat(Contents.parse("DEVNAME=/dev/loop0\nUUID=x\nTYPE=ext4\nUSAGE=filesystem\n"))
                .isEqualTo(new Contents("ext4", ""));
        assertThat(Contents.parse("PTUUID=1\nPTTYPE=gpt\n").text()).isEqualTo("a partition table (gpt)");
        assertThat(Contents.parse("").isNone()).isTrue();
    }
}
