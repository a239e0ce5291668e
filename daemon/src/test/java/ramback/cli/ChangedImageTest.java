package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An image that somebody else changed after a clean stop is found out, by its times or by its checksums, and never served as it is unasked. */
@Timeout(value = 120, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ChangedImageTest {

    private static final int IMAGE_BYTES = 4 << 20;

    @TempDir
    Path directory;

    private Path images;
    private Path image;
    private Path checksums;
    private Path ram;

    @BeforeEach
    void makeImage() throws Exception {
        images = Files.createDirectory(directory.resolve("images"));
        image = images.resolve("disk.img");
        checksums = images.resolve("disk.img.ramback.crc");
        ram = Files.createTempDirectory(
                Path.of("/dev/shm"),
                "ramback-test-",
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        byte[] bytes = new byte[IMAGE_BYTES];
        new Random(1).nextBytes(bytes);
        Files.write(image, bytes);
        // Left clean, with checksums of all of it.
        assertThat(serve()).isEmpty();
    }

    @AfterEach
    void removeMemoryDirectory() throws IOException {
        RamDirectory.remove(ram);
    }

    private ShellOnPaper shell() {
        return new ShellOnPaper(Map.of(
                "RAMBACK_RUN_DIR", directory.resolve("run").toString(),
                "RAMBACK_STATE_DIR", directory.resolve("state").toString()));
    }

    private String[] up(String... options) {
        List<String> arguments =
                new ArrayList<>(List.of("up", image.toString(), "--ram-dir", ram.toString(), "--journal-size", "2M"));
        arguments.addAll(Arrays.asList(options));
        return arguments.toArray(String[]::new);
    }

    /** Serves it until all that can be loaded is, and stops it cleanly; returns what was said on standard error. */
    private String serve(String... options) throws Exception {
        ShellOnPaper shell = shell();
        CompletableFuture<Integer> exitCode = start(shell, options);
        assertThat(statusWith("\"loadedChunks\":1024,")).isNotEmpty();
        shell.signal();
        assertThat(exitCode.join()).isZero();
        return shell.err();
    }

    private CompletableFuture<Integer> start(ShellOnPaper shell, String... options) throws Exception {
        CompletableFuture<Integer> exitCode = CompletableFuture.supplyAsync(
                () -> shell.run(up(options)),
                work -> Thread.ofPlatform().daemon().start(work));
        shell.awaitOut(" ready, ", 1);
        assertThat(shell.out()).as(shell.err()).contains(" ready, ");
        return exitCode;
    }

    /** Asks for the status until it says something. */
    private String statusWith(String text) {
        while (true) {
            ShellOnPaper shell = shell();
            assertThat(shell.run("status", "--json")).as(shell.err()).isZero();
            if (shell.out().contains(text)) {
                return shell.out();
            }
        }
    }

    private String say(int exitCode, String... arguments) {
        ShellOnPaper shell = shell();
        assertThat(shell.run(arguments)).as(shell.out() + shell.err()).isEqualTo(exitCode);
        return shell.out() + shell.err();
    }

    /** {@code up}, {@code check} and {@code recover} say the same, in one line, and change nothing. */
    private void assertProtected(String... messages) throws IOException {
        Map<String, String> before = Leftovers.contents(images);
        for (String[] arguments :
                List.of(up(), up("--read-only"), new String[] {"check", image.toString()}, new String[] {
                    "recover", image.toString(), "--yes"
                })) {
            ShellOnPaper shell = shell();
            assertThat(shell.run(arguments)).as(shell.out() + shell.err()).isEqualTo(4);
            assertThat(shell.err())
                    .contains("was changed behind our back since its clean stop")
                    .contains("--adopt-image")
                    .contains(messages)
                    .containsOnlyOnce("\n");
            assertThat(shell.out()).isEmpty();
        }
        assertThat(Leftovers.contents(images)).isEqualTo(before);
    }

    private void flip(long offset) throws IOException {
        try (FileChannel channel = FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, offset);
            one.put(0, (byte) ~one.get(0)).flip();
            channel.write(one, offset);
        }
    }

    /** Changes a byte and leaves the time of the last change as it was. */
    private void flipInSecret(long offset) throws IOException {
        FileTime before = Files.getLastModifiedTime(image);
        flip(offset);
        Files.setLastModifiedTime(image, before);
    }

    @Test
    void aChangedImageIsRefusedUntilItIsAdopted() throws Exception {
        flip(12345);
        assertProtected("it was last modified at ", ", and then had been at ");
        byte[] content = Files.readAllBytes(image);
        assertThat(generation()).isZero();
        assertThat(serve("--adopt-image")).isEmpty();
        assertThat(say(0, "check", image.toString())).contains("disk.img is clean");
        assertThat(serve()).isEmpty();
        assertThat(generation()).isOne();
        assertThat(image).hasBinaryContent(content);
    }

    /** Of the export, as the state file has it. */
    private long generation() throws IOException {
        return Leftovers.exportGeneration(images.resolve("disk.img.ramback"));
    }

    @Test
    void anotherSizeIsRefused() throws Exception {
        FileTime before = Files.getLastModifiedTime(image);
        try (FileChannel channel = FileChannel.open(image, StandardOpenOption.WRITE)) {
            channel.truncate(IMAGE_BYTES - 4096);
        }
        Files.setLastModifiedTime(image, before);
        assertProtected("it has 4190208 bytes, and had 4194304");
    }

    @Test
    void anAdoptedImageOfAnotherSizeGetsAJournalOfItsOwn() throws Exception {
        try (FileChannel channel = FileChannel.open(image, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(4096), IMAGE_BYTES);
        }
        ShellOnPaper shell = shell();
        CompletableFuture<Integer> exitCode = start(shell, "--adopt-image");
        statusWith("\"loadedChunks\":1025,");
        shell.signal();
        assertThat(exitCode.join()).isZero();
        assertThat(say(0, "check", image.toString())).contains("disk.img is clean");
    }

    @Test
    void otherPermissionsAreNoChangeAsLongAsItsContentCanBeChecked() throws Exception {
        Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("rw-rw----"));
        assertThat(say(0, "check", image.toString()))
                .contains(
                        "is clean; its attributes were last changed at ", "its content is checked while it is loaded");
        assertThat(serve()).contains("its attributes were last changed at ", "is checked while it is loaded");
        assertThat(serve()).isEmpty();
        Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("rw-r-----"));
        Files.delete(checksums);
        assertProtected("its attributes were last changed at ", "(its checksums can't be used: there are none)");
    }

    @Test
    void aCopyThatKeepsItsTimesIsServed() throws Exception {
        Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
        for (String suffix : List.of("", ".journal", ".ramback", ".ramback.crc")) {
            Files.copy(
                    images.resolve("disk.img" + suffix),
                    elsewhere.resolve("disk.img" + suffix),
                    StandardCopyOption.COPY_ATTRIBUTES);
        }
        image = elsewhere.resolve("disk.img");
        assertThat(serve()).contains("is checked while it is loaded");
        assertThat(serve()).isEmpty();
    }

    @Test
    void aChangeWhoseTimeWasPutBackIsFoundWhileItIsLoaded() throws Exception {
        flipInSecret((2 << 20) + 5);
        ShellOnPaper shell = shell();
        CompletableFuture<Integer> exitCode = start(shell);
        String status = statusWith("\"light\":\"red\"");
        assertThat(status)
                .contains("\"state\":\"degraded\"")
                .contains("the image was changed behind our back at bytes 2097152 to 3145727");
        statusWith("\"loadedChunks\":768,");
        shell.signal();
        assertThat(exitCode.join()).isZero();
        // Neither a clean stop nor the next start makes it good.
        assertThat(say(0, "check", image.toString()))
                .contains("somebody else changed it at bytes 2097152 to 3145727", "--adopt-image");
        ShellOnPaper again = shell();
        exitCode = start(again, "--read-only");
        assertThat(statusWith("\"light\":\"red\"")).contains("changed behind our back at bytes 2097152 to 3145727");
        again.signal();
        assertThat(exitCode.join()).isZero();
        assertThat(serve("--adopt-image")).isEmpty();
        assertThat(say(0, "check", image.toString()))
                .contains("disk.img is clean")
                .doesNotContain("somebody else");
        assertThat(serve()).isEmpty();
    }

    @Test
    void checksumsThatAreNotThereOrDamagedAreSaidOnceAndMadeAnew() throws Exception {
        Files.delete(checksums);
        assertThat(serve()).contains("checksums " + checksums + " can't be used (there are none)");
        assertThat(serve()).isEmpty();
        byte[] bytes = Files.readAllBytes(checksums);
        bytes[70] ^= 1;
        Files.write(checksums, bytes);
        assertThat(say(0, "check", image.toString()))
                .contains("can't be used: its own checksum does not fit; what somebody else changes");
        assertThat(serve()).contains("can't be used (its own checksum does not fit)");
        assertThat(serve()).isEmpty();
    }

    @Test
    void checksumsOfAnEarlierStopAreNotUsed() throws Exception {
        byte[] old = Files.readAllBytes(checksums);
        assertThat(serve()).isEmpty();
        Files.write(checksums, old);
        assertThat(serve()).contains("can't be used (it belongs to another stop)");
    }

    @Test
    void whatWasMadeAnewIsNoChangedImage() throws Exception {
        Files.delete(image);
        assertThat(serve("--size", "4M")).isEmpty();
    }

    @Test
    void aStartThatServedNothingTakesNothingFromTheChecksums() throws Exception {
        ShellOnPaper shell = shell();
        Path socket = Files.createFile(directory.resolve("not-a-socket"));
        assertThat(shell.run(up("--socket", socket.toString()))).as(shell.err()).isEqualTo(1);
        assertThat(serve()).isEmpty();
    }
}
