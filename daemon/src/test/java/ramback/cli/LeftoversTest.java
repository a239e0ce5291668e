package ramback.cli;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.backing.FileBacking;
import ramback.engine.DescriptorFault;
import ramback.journal.StateFile;
import ramback.journal.StateFileStore;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.FileStatus;

/**
 * What is done with everything that a crash, a careless copy or a bad disk may leave, by {@code up}, {@code check} and {@code recover}:
 * a refusal has exit code 4, says one line and changes nothing; whatever is not refused ends with the right image.
 */
@Timeout(value = 120, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LeftoversTest {

    private static final String UNKNOWN_LOSS = "without which all that was committed and had not reached the image is"
            + " lost, and the image may be a mixture of old and new";

    @TempDir
    Path directory;

    private Path images;
    private Path ram;
    private Leftovers crash;

    @BeforeEach
    void makeDirectories() throws IOException {
        images = Files.createDirectory(directory.resolve("images"));
        ram = Files.createTempDirectory(
                Path.of("/dev/shm"),
                "ramback-test-",
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        crash = new Leftovers(images.resolve("disk.img"));
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
        List<String> arguments = new ArrayList<>(List.of("up", crash.image.toString(), "--ram-dir", ram.toString()));
        arguments.addAll(Arrays.asList(options));
        return arguments.toArray(String[]::new);
    }

    private void assertRefused(int exitCode, String message, String... arguments) throws IOException {
        Map<String, String> before = Leftovers.contents(images);
        ShellOnPaper shell = shell();
        assertThat(shell.run(arguments)).as(shell.out() + shell.err()).isEqualTo(exitCode);
        assertThat(shell.err()).startsWith("ramback: ").contains(message).containsOnlyOnce("\n");
        assertThat(shell.out()).isEmpty();
        assertThat(Leftovers.contents(images)).isEqualTo(before);
    }

    /** {@code up}, {@code check} and {@code recover} say the same. */
    private void assertProtected(String message) throws IOException {
        assertRefused(4, message, up());
        assertRefused(4, message, "check", crash.image.toString());
        assertRefused(4, message, "recover", crash.image.toString(), "--yes");
    }

    /** An {@code up} in the background that serves. */
    private record Served(ShellOnPaper shell, CompletableFuture<Integer> exitCode) {

        int stop() {
            shell.signal();
            return exitCode.join();
        }
    }

    private Served start(String... options) throws Exception {
        ShellOnPaper shell = shell();
        CompletableFuture<Integer> exitCode = CompletableFuture.supplyAsync(
                () -> shell.run(up(options)),
                work -> Thread.ofPlatform().daemon().start(work));
        shell.awaitOut(" ready, ", 1);
        assertThat(shell.out()).as(shell.err()).contains(" ready, ");
        return new Served(shell, exitCode);
    }

    /** Serves it and stops it cleanly; returns what was said on standard error. */
    private String serve(String... options) throws Exception {
        Served served = start(options);
        assertThat(served.stop()).isZero();
        return served.shell().err();
    }

    private String say(int exitCode, String... arguments) {
        ShellOnPaper shell = shell();
        assertThat(shell.run(arguments)).as(shell.out() + shell.err()).isEqualTo(exitCode);
        return shell.out() + shell.err();
    }

    private void assertImageIsAtEpoch(int epoch) throws IOException {
        assertThat(crash.imageByte(0)).isEqualTo(epoch);
        for (int chunk = 1; chunk < 4; chunk++) {
            assertThat(crash.imageByte(chunk)).isEqualTo(chunk <= epoch ? chunk : 0);
        }
    }

    // ------------------------------------------------------------------------------------------- nothing is wrong

    @Test
    void aCrashIsRecoveredByUpItself() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Map<String, String> before = Leftovers.contents(images);
        assertThat(say(0, "check", crash.image.toString()))
                .contains("needs recovery: 3 epochs up to epoch 3 of 2026-01-02T03:04:08Z, 6 chunks (24576 bytes)");
        assertThat(Leftovers.contents(images)).isEqualTo(before);
        assertThat(serve()).contains("was not stopped cleanly and is recovered: epoch 3 of 2026-01-02T03:04:08Z");
        assertImageIsAtEpoch(3);
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
        assertThat(serve()).isEmpty();
        assertImageIsAtEpoch(3);
    }

    @Test
    void aCrashIsRecoveredByRecover() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        assertThat(say(0, "recover", crash.image.toString())).contains("is recovered: epoch 3 of 2026-01-02T03:04:08Z");
        assertImageIsAtEpoch(3);
        assertThat(say(0, "recover", crash.image.toString())).contains("is clean: nothing to recover");
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
        assertThat(serve()).isEmpty();
    }

    @Test
    void withoutItsStateFileTheVeryImageIsRecoveredAllTheSame() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Files.delete(crash.state);
        assertThat(say(0, "check", crash.image.toString())).contains("needs recovery: 3 epochs");
        serve();
        assertImageIsAtEpoch(3);
    }

    @Test
    void copiedAsAWholeItIsRecoveredElsewhere() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
        for (Path file : List.of(crash.image, crash.journal, crash.state)) {
            Files.copy(file, elsewhere.resolve(file.getFileName()));
        }
        Map<String, String> before = Leftovers.contents(images);
        crash = new Leftovers(elsewhere.resolve("disk.img"));
        serve();
        assertImageIsAtEpoch(3);
        assertThat(Leftovers.contents(images)).isEqualTo(before);
    }

    @Test
    void aStartThatWasCutShortBetweenStateFileAndJournalIsHarmless() throws Exception {
        crash.image().journal(7, 0).served("writeback", true, 8, 7);
        assertThat(say(0, "check", crash.image.toString())).contains("lacks nothing that was committed");
        assertThat(serve()).isEmpty();
    }

    @Test
    void whatWasLeftWithoutAJournalIsServedAsAnyDisk() throws Exception {
        crash.image().served("writeback", false, 7, 0);
        assertThat(say(0, "check", crash.image.toString())).contains("had no journal: what was flushed is in it");
        assertThat(serve("--journal", "none")).isEmpty();
        assertThat(crash.journal).doesNotExist();
        assertThat(serve("--journal-size", "2M")).isEmpty();
        assertThat(crash.journal).exists();
    }

    @Test
    void aJournalElsewhereIsFoundByTheStateFile() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Path other = directory.resolve("other.journal");
        Files.move(crash.journal, other);
        assertRefused(
                4, "third.journal does not exist; it was " + crash.journal, up("--journal", images + "/third.journal"));
        new StateFileStore(crash.state, null)
                .replace(new StateFile(crash.device, 7, 0, "writeback", other.toString(), null, "b007", null).encode());
        assertThat(say(0, "check", crash.image.toString())).contains("needs recovery: 3 epochs", other.toString());
        assertThat(say(0, "recover", crash.image.toString())).contains("is recovered: epoch 3");
        assertImageIsAtEpoch(3);
    }

    @Test
    void otherChunksAreWelcomeAfterACleanStop() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        serve("--chunk", "16K");
        assertImageIsAtEpoch(3);
        serve("--chunk", "64K");
        serve();
        assertRefused(2, "has 2097152 bytes, not the 4194304 of --journal-size", up("--journal-size", "4M"));
    }

    @Test
    void aJournalThatHoldsTooFewChunksIsRefusedBeforeAWriteWaitsForEver() throws Exception {
        assertRefused(
                2,
                "a journal of 2097152 bytes is too small for chunks of 1048576 bytes: at least 4378624 are needed;"
                        + " give --journal-size 4378624 or a smaller --chunk",
                up("--size", "8M", "--chunk", "1M", "--journal-size", "2M"));
        serve("--size", "8M", "--chunk", "1M", "--journal-size", "4378624");
        Files.delete(crash.image);
        Files.delete(crash.state);
        Files.delete(crash.journal);
        crash = Leftovers.ofACrash(crash.image);
        assertRefused(
                2,
                "journal " + crash.journal + " of 2097152 bytes is too small for chunks of 1048576 bytes: at least"
                        + " 4378624 are needed; choose a smaller --chunk, or another --journal-size after",
                up("--chunk", "1M"));
        serve();
        assertImageIsAtEpoch(3);
        assertRefused(2, "of 2097152 bytes is too small for chunks of 1048576 bytes", up("--chunk", "1M"));
        serve("--chunk", "256K");
        serve("--chunk", "1M", "--journal", "none");
    }

    @Test
    void aJournalThatIsNotUsedIsNotHeld() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        serve();
        for (String option : List.of("--read-only", "--journal=none")) {
            Served served = start(option);
            assertThat(DescriptorFault.countOf(crash.journal)).isZero();
            FileBacking.open(crash.journal, false).close();
            assertThat(served.stop()).isZero();
        }
    }

    // ------------------------------------------------------------------------------------------- who had connected

    private long generation() throws IOException {
        return Leftovers.exportGeneration(crash.state);
    }

    @Test
    void whoeverGoesOnWithoutAcknowledgedWritesIsAnotherGeneration() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Served served = start();
        assertThat(say(0, "status", "--json")).contains("\"exportGeneration\":1,");
        assertThat(served.stop()).isZero();
        assertThat(generation()).isOne();
        // Nothing is lost by a clean stop.
        serve();
        assertThat(generation()).isOne();

        crash = Leftovers.ofACrash(images.resolve("recovered.img"));
        say(0, "recover", crash.image.toString());
        assertThat(generation()).isOne();
        serve();
        assertThat(generation()).isOne();
        say(0, "recover", crash.image.toString());
        assertThat(generation()).isOne();
    }

    @Test
    void nothingAcknowledgedIsLostInWritethrough() throws Exception {
        crash.image().journal(7, 3).served("writethrough", true, 7, 0);
        serve();
        assertImageIsAtEpoch(3);
        assertThat(generation()).isZero();
    }

    @Test
    void whatIsGivenUpIsAnotherGenerationInAnyMode() throws Exception {
        crash.image().journal(7, 3).served("writethrough", true, 7, 0);
        crash.flipByte(crash.journal, crash.offsetOfPayload(3));
        say(0, "recover", crash.image.toString(), "--to-epoch", "2", "--yes");
        assertThat(generation()).isOne();
        crash = new Leftovers(images.resolve("torn.img")).image().served("unsafe", false, 7, 0);
        serve("--journal", "none", "--accept-torn");
        assertThat(generation()).isOne();
    }

    // ------------------------------------------------------------------------------------------- the journal is wrong

    @Test
    void aMissingJournalIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Files.delete(crash.journal);
        assertProtected(
                "was not stopped cleanly and needs its journal, and journal " + crash.journal + " does not exist");
        assertRefused(4, "what the journal held is given up", "recover", crash.image.toString(), "--accept-torn");
        assertThat(say(0, "recover", crash.image.toString(), "--accept-torn", "--yes"))
                .contains("taken as it is");
        assertImageIsAtEpoch(0);
        serve("--journal-size", "2M");
    }

    @Test
    void anImageThatNeedsItsJournalIsNotServedWithoutOne() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        String held = ", which holds 3 epochs up to epoch 3 of 2026-01-02T03:04:08Z, 6 chunks (24576 bytes), that the"
                + " image lacks; leave --journal none out";
        assertRefused(4, "needs its journal (" + crash.journal + ")" + held, up("--journal", "none"));
        Files.move(crash.journal, directory.resolve("away"));
        assertRefused(
                4,
                "needs its journal (" + crash.journal + "), " + UNKNOWN_LOSS + "; leave --journal none out",
                up("--journal", "none"));
        Files.move(directory.resolve("away"), crash.journal);
        Files.delete(crash.state);
        assertRefused(4, "needs its journal" + held, up("--journal", "none"));
    }

    @Test
    void aTruncatedJournalIsRefused() throws Exception {
        for (long sizeBytes : new long[] {1 << 20, 64 << 10, 40 << 10}) {
            crash = Leftovers.ofACrash(images.resolve("disk-" + sizeBytes + ".img"));
            crash.truncateJournal(sizeBytes);
            assertProtected("is shorter than it says it is");
        }
        crash = Leftovers.ofACrash(images.resolve("disk.img"));
        crash.truncateJournal(0);
        assertProtected("is not a journal, and image");
        assertProtected("needs its own (" + crash.journal + "), " + UNKNOWN_LOSS);
    }

    @Test
    void aFlippedByteIsRefusedAndSaysWhatIsGoodStill() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        crash.flipByte(crash.journal, crash.offsetOfPayload(3));
        assertProtected("good up to epoch 2 of 2026-01-02T03:04:07Z, lost up to epoch 3");
        assertProtected("--to-epoch 2");
        assertRefused(2, "the journal can restore epochs 0 to 2", "recover", crash.image.toString(), "--to-epoch", "3");
        assertRefused(4, "gives this up: epochs 3 to 3", "recover", crash.image.toString(), "--to-epoch", "2");
        assertThat(say(0, "recover", crash.image.toString(), "--to-epoch", "2", "--yes"))
                .contains("is recovered: epoch 2 of 2026-01-02T03:04:07Z");
        assertImageIsAtEpoch(2);
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
        serve();
    }

    @Test
    void whoIsAskedMayStillSayNo() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        crash.flipByte(crash.journal, crash.offsetOfPayload(3));
        Map<String, String> before = Leftovers.contents(images);
        ShellOnPaper no = shell();
        no.answers("n");
        assertThat(no.run("recover", crash.image.toString(), "--to-epoch", "2")).isEqualTo(4);
        assertThat(no.err()).contains("epochs 3 to 3", "Go on? [y/N]", "nothing was changed");
        assertThat(Leftovers.contents(images)).isEqualTo(before);
        ShellOnPaper yes = shell();
        yes.answers("y");
        assertThat(yes.run("recover", crash.image.toString(), "--to-epoch", "2"))
                .isZero();
        assertImageIsAtEpoch(2);
    }

    @Test
    void aJournalWithoutASuperblockIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        crash.damageSuperblocks();
        assertProtected("is damaged: neither of its superblocks can be read");
    }

    @Test
    void aNewerJournalIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        crash.setJournalVersion(2);
        assertProtected("has format 2, newer than this ramback reads");
        assertProtected("needs its own (" + crash.journal + "), " + UNKNOWN_LOSS + "; use the newer ramback");
    }

    @Test
    void anotherImagesJournalIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Path otherDirectory = Files.createDirectory(directory.resolve("other"));
        ShellOnPaper other = shell();
        CompletableFuture<Integer> served = CompletableFuture.supplyAsync(
                () -> other.run(
                        "up",
                        otherDirectory.resolve("b.img").toString(),
                        "--size",
                        "1M",
                        "--journal-size",
                        "2M",
                        "--ram-dir",
                        ram.toString()),
                work -> Thread.ofPlatform().daemon().start(work));
        other.awaitOut(" ready, ", 1);
        assertRefused(
                1,
                "in use by another process",
                up("--journal", otherDirectory.resolve("b.img.journal").toString()));
        other.signal();
        assertThat(served.join()).isZero();
        Files.copy(otherDirectory.resolve("b.img.journal"), crash.journal, StandardCopyOption.REPLACE_EXISTING);
        assertProtected("belongs to another image of 1048576 bytes");
        assertProtected("needs its own (" + crash.journal + "), " + UNKNOWN_LOSS);
        crash.clean(7);
        assertProtected("belongs to another image of 1048576 bytes");
    }

    @Test
    void aJournalOfAnotherTimeIsRefused() throws Exception {
        crash.image().journal(7, 3).served("writeback", true, 9, 8);
        assertProtected("don't belong to the same moment");
        crash.served("writeback", true, 9, 7);
        assertProtected("don't belong to the same moment");
        crash.clean(7);
        assertProtected("don't belong to the same moment");
        assertProtected("; the state file says that the image is whole without it: move the journal away");
        crash.served("writeback", false, 9, 0);
        assertProtected("don't belong to the same moment");
    }

    @Test
    void aFileThatIsNoJournalIsNotOverwritten() throws Exception {
        crash.image();
        Files.writeString(crash.journal, "precious".repeat(1000));
        assertProtected("is not a journal; name another file with --journal, or move that one away");
        Files.delete(crash.journal);
        Files.createDirectory(crash.journal);
        assertProtected("is not a journal");
        Files.delete(crash.journal);
        Files.createSymbolicLink(crash.journal, directory.resolve("nowhere"));
        assertProtected("is not a journal");
    }

    @Test
    void aJournalIsNotWhereImageOrStateFileLie() throws Exception {
        Path other = directory.resolve("other.img");
        Files.createDirectories(directory.resolve("state"));
        for (boolean isThere : new boolean[] {false, true}) {
            if (isThere) {
                crash.image();
            }
            String[] size = isThere ? new String[0] : new String[] {"--size", "256K"};
            for (Path place : List.of(
                    crash.state,
                    Path.of(crash.state + ".new"),
                    images.resolve("../images/./disk.img.ramback"),
                    stateElsewhere(),
                    Path.of(stateElsewhere() + ".new"))) {
                assertRefused(2, "bad --journal '" + place + "'", journalAt(place, size));
                assertRefused(2, "state file", journalAt(place, size));
            }
            assertRefused(2, "is the image itself; name another file", journalAt(crash.image, size));
        }
        Files.createLink(other, crash.image);
        assertRefused(2, "is the image itself; name another file", journalAt(other));
        assertRefused(2, "is the image itself", "check", crash.image.toString(), "--journal", other.toString());
        Files.delete(other);
        Files.createSymbolicLink(other, images);
        assertRefused(2, "state file", journalAt(other.resolve("disk.img.ramback")));
        // What is being made is under another name until it is whole.
        crash = new Leftovers(images.resolve("second.partial")).image();
        assertRefused(2, "would be made as", journalAt(images.resolve("second")));
    }

    private String[] journalAt(Path journal, String... options) {
        List<String> all = new ArrayList<>(List.of("--journal", journal.toString()));
        all.addAll(Arrays.asList(options));
        return up(all.toArray(String[]::new));
    }

    /** Where the state file lies of an image whose directory takes none. */
    private Path stateElsewhere() throws IOException {
        CRC32C crc = new CRC32C();
        crc.update(images.toRealPath().resolve("disk.img").toString().getBytes(US_ASCII));
        return directory.resolve("state").resolve(String.format("file-disk.img-%08x.ramback", crc.getValue()));
    }

    @Test
    void aJournalThatIsNotNeededAndCannotBeReadIsNotOverwrittenEither() throws Exception {
        crash.image().journal(7, 3).clean(7);
        crash.truncateJournal(1 << 20);
        assertProtected("the image does not need it: move it away, and a new one is made");
    }

    // ------------------------------------------------------------------------------------------- the image is missing

    private void assertIsNotReplaced(String... messages) throws IOException {
        Files.deleteIfExists(crash.image);
        for (String message : messages) {
            assertRefused(4, message, up("--size", "256K"));
            assertRefused(4, message, up("--size", "256K", "--accept-torn"));
            assertRefused(4, message, up("--size", "256K", "--journal", "none"));
        }
    }

    @Test
    void aMissingImageIsNotReplacedByZeroesWithItsJournal() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Path elsewhere = directory.resolve("elsewhere.img");
        Files.copy(crash.image, elsewhere);
        assertIsNotReplaced(
                "does not exist",
                "journal " + crash.journal
                        + " holds 3 epochs up to epoch 3 of 2026-01-02T03:04:08Z, 6 chunks (24576 bytes)",
                "; put the image back, or, to do without all that, move away " + crash.state + " and " + crash.journal);
        // Back again it is recovered, and nothing is missing.
        Files.move(elsewhere, crash.image);
        serve();
        assertImageIsAtEpoch(3);
    }

    @Test
    void aMissingImageIsNotReplacedWhateverElseItNeeds() throws Exception {
        crash.image().served("unsafe", false, 7, 0);
        assertIsNotReplaced("state file " + crash.state + " says that it was not stopped cleanly");
        Files.writeString(crash.state, "?");
        assertIsNotReplaced("state file " + crash.state + " can't be read");
        Files.delete(crash.state);
        crash.image().journal(7, 3, true);
        assertIsNotReplaced("journal " + crash.journal + " says that it was in the mode unsafe");
        crash.truncateJournal(1 << 20);
        assertIsNotReplaced("journal " + crash.journal + " is shorter than it says it is");
        crash.setJournalVersion(2);
        assertIsNotReplaced("journal " + crash.journal + " has format 2, newer than this ramback reads");
        Files.delete(crash.journal);
        crash.image().journal(7, 3);
        crash.flipByte(crash.journal, crash.offsetOfPayload(3));
        assertIsNotReplaced("and good up to epoch 2 of 2026-01-02T03:04:07Z");
    }

    @Test
    void anImageThatWasCleanIsReplacedBesideWhatItLeft() throws Exception {
        serve("--size", "256K", "--journal-size", "2M");
        Files.delete(crash.image);
        serve("--size", "256K");
        assertImageIsAtEpoch(0);
    }

    @Test
    void aDamagedJournalWithoutAStateFileMayBeNeededForAllAnybodyKnows() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Files.delete(crash.state);
        crash.truncateJournal(1 << 20);
        String unknown = "is shorter than it says it is, and without a state file nobody knows whether image "
                + crash.image
                + " needs it; bring it back from a copy; to take the image as it is, which may be a mixture"
                + " of old and new, move the journal away";
        assertProtected(unknown);
        assertRefused(4, unknown, up("--journal", "none"));
        assertRefused(4, unknown, up("--read-only"));
        crash.setJournalVersion(2);
        assertRefused(4, "has format 2, newer than this ramback reads", up("--journal", "none"));
        assertRefused(4, "without a state file nobody knows", up("--journal", "none"));
        crash.damageSuperblocks();
        assertProtected("is damaged: neither of its superblocks can be read, and without a state file nobody knows");
        assertRefused(4, "without a state file nobody knows", up("--journal", "none"));
        Files.delete(crash.journal);
        serve("--journal", "none");
    }

    @Test
    void aTruncatedJournalThatSaysThatItIsCleanIsNotNeeded() throws Exception {
        crash.image();
        serve("--journal-size", "2M");
        Files.delete(crash.state);
        crash.truncateJournal(1 << 20);
        assertProtected("the image does not need it: move it away, and a new one is made");
        assertRefused(4, "the image does not need it: move it away", up("--journal", "none"));
    }

    // ------------------------------------------------------------------------------------------- the stop goes wrong

    @Test
    void aStopThatCannotMarkTheJournalSaysSoAndTheStateFileStillSaysClean() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Served served = start();
        assertThat(DescriptorFault.breakWritesTo(crash.journal)).isPositive();
        assertThat(served.stop()).isEqualTo(1);
        assertThat(served.shell().err())
                .contains("ramback: image " + crash.image + " is whole, but journal " + crash.journal
                        + " could not be marked as clean: ")
                .contains("; move it away");
        assertThat(Files.readString(crash.state)).contains("clean: yes");
        assertThat(directory.resolve("run")).isEmptyDirectory();
        assertImageIsAtEpoch(3);
        // There was nothing in it, so that it does no harm.
        serve();
        assertImageIsAtEpoch(3);
    }

    @Test
    void aStopThatCannotWriteTheStateFileSaysSo() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Served served = start();
        Path inTheWay = Files.createDirectory(Path.of(crash.state + ".new"));
        assertThat(served.stop()).isEqualTo(1);
        assertThat(served.shell().err())
                .contains("ramback: image " + crash.image + " is whole, but state file " + crash.state
                        + " could not be marked as clean: ")
                .contains("'ramback recover " + crash.image + "'");
        Files.delete(inTheWay);
        assertThat(say(0, "recover", crash.image.toString())).contains("is clean");
        assertImageIsAtEpoch(3);
    }

    // ------------------------------------------------------------------------------------------- the state is wrong

    @Test
    void aCopiedImageIsNotMixedWithTheJournalOfTheOther() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Files.delete(crash.state);
        Path original = images.resolve("original.img");
        Files.move(crash.image, original);
        Files.copy(original, crash.image);
        assertProtected("belongs to another image of 262144 bytes, device 00000000-0000-0001-0000-000000000002");
    }

    @Test
    void aDamagedStateFileIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        crash.flipByte(crash.state, 40);
        assertProtected("can't be read (its checksum does not fit), so nobody knows what the image needs; remove it");
        Files.delete(crash.state);
        Files.createSymbolicLink(crash.state, crash.image);
        assertProtected("symbolic link");
        Files.delete(crash.state);
        serve();
        assertImageIsAtEpoch(3);
    }

    @Test
    void aNewerStateFileIsRefused() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        String body = "ramback-state: 2\nwhatever: else\n";
        CRC32C crc = new CRC32C();
        crc.update(body.getBytes(US_ASCII));
        Files.writeString(crash.state, body + "crc32c: " + String.format("%08x", crc.getValue()) + "\n");
        assertProtected("has format 2, and this ramback reads up to 1");
    }

    // ------------------------------------------------------------------------------------------- unsafe

    @Test
    void anUnsafeDeviceThatLostItsMemoryIsRefusedUntilItIsAccepted() throws Exception {
        crash.image().journal(7, 3, true).served("unsafe", true, 7, 0);
        assertProtected("was in the mode unsafe");
        assertRefused(4, "a mixture of old and new; add --yes", "recover", crash.image.toString(), "--accept-torn");
        serve("--accept-torn");
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
        serve();
    }

    @Test
    void thatIsTheJournalsWordWhateverTheStateFileSays() throws Exception {
        crash.image().journal(7, 3, true).served("checkpoint", true, 7, 0);
        assertProtected("was in the mode unsafe");
        assertThat(say(0, "recover", crash.image.toString(), "--accept-torn", "--yes"))
                .contains("taken as it is");
        serve();
        // The other way round: unsafe was left, and only the state file had not heard of it.
        crash = new Leftovers(images.resolve("second.img"));
        crash.image().journal(7, 3).served("unsafe", true, 7, 0);
        serve();
        assertImageIsAtEpoch(3);
    }

    @Test
    void withoutAJournalItIsTheStateFilesWord() throws Exception {
        crash.image().served("unsafe", false, 7, 0);
        assertProtected("was in the mode unsafe");
        assertRefused(4, "was in the mode unsafe", up("--journal", "none"));
        serve("--journal", "none", "--accept-torn");
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
    }

    // ------------------------------------------------------------------------------------------- read-only, memory

    @Test
    void readOnlyNothingIsRecoveredAndNothingWritten() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        assertRefused(4, "--read-only brings nothing into it; run 'ramback recover", up("--read-only"));
        say(0, "recover", crash.image.toString());
        Map<String, String> before = Leftovers.contents(images);
        serve("--read-only");
        assertThat(Leftovers.contents(images)).isEqualTo(before);
    }

    // ------------------------------------------------------------------------------------------- the RAM that is left

    private static final int RAM_BYTE = 0x5a;

    @Test
    void theMemoryOfAKilledDaemonIsGoneOnWith() throws Exception {
        Path left = leaveMemory(7);
        String said = serve();
        assertThat(said)
                .contains("goes on from the memory of a daemon that is gone: 3 chunks are newer than the image");
        assertImageIsThatOfMemory();
        assertThat(left).doesNotExist();
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
    }

    @Test
    void itIsFoundByTheStateFileAndNotGivenUpUnasked() throws Exception {
        Path left = leaveMemory(7);
        String holds = "holds at most 3 chunks of 4096 bytes that it lacks; 'ramback up' takes it over";
        assertRefused(4, holds, "check", crash.image.toString());
        assertRefused(4, holds, "recover", crash.image.toString(), "--yes");
        assertRefused(
                4,
                "gives this up: at most 3 chunks of 4096 bytes that only the memory of the killed daemon has newer; add --yes",
                "recover",
                crash.image.toString(),
                "--discard-ram");
        assertThat(left).exists();
        assertThat(say(0, "recover", crash.image.toString(), "--discard-ram", "--yes"))
                .contains("is recovered: epoch 3");
        assertThat(left).doesNotExist();
        assertImageIsAtEpoch(3);
    }

    @Test
    void itIsGivenUpWhenThatIsAsked() throws Exception {
        Path left = leaveMemory(7);
        assertThat(serve("--discard-ram")).contains("is recovered: epoch 3");
        assertThat(left).doesNotExist();
        assertImageIsAtEpoch(3);
    }

    @Test
    void memoryOfAnotherStartIsRefused() throws Exception {
        Path left = leaveMemory(8);
        assertProtected("does not belong to what lies beside image " + crash.image
                + " now (the state file is of another start)");
        Files.delete(crash.state);
        assertRefused(4, "there is no state file to tell", up());
        Files.delete(left);
    }

    @Test
    void memoryOfAnotherBootOrLayoutIsRefused() throws Exception {
        Path left = leaveMemory(7);
        flipSegmentByte(left, 50);
        assertProtected("it is of another boot");
        flipSegmentByte(left, 50);
        flipSegmentByte(left, 8);
        assertProtected("has layout " + (SegmentLayout.VERSION ^ 1) + " or not its length, and can't be read");
        flipSegmentByte(left, 8);
        try (FileChannel file = FileChannel.open(left, StandardOpenOption.WRITE)) {
            file.truncate(Files.size(left) - 4096);
        }
        assertProtected("has layout " + SegmentLayout.VERSION + " or not its length, and can't be read");
        assertThat(serve("--discard-ram")).contains("is recovered: epoch 3");
    }

    @Test
    void memoryInWhichThereIsNothingIsNoMatter() throws Exception {
        crash = Leftovers.ofACrash(crash.image);
        Path half = Files.write(ram.resolve("half" + suffix()), new byte[8192]);
        serve();
        assertThat(half).doesNotExist();
        assertImageIsAtEpoch(3);
    }

    @Test
    void memoryMakesUpForAJournalThatIsGone() throws Exception {
        leaveMemory(7);
        Files.delete(crash.journal);
        Served served = start();
        assertThat(served.shell().err())
                .contains("its journal " + crash.journal + " is missing: it is in the mode unsafe");
        assertThat(served.stop()).isZero();
        assertImageIsThatOfMemory();
        assertThat(say(0, "check", crash.image.toString())).contains("disk.img is clean");
    }

    @Test
    void memoryMakesUpForAJournalThatIsDamaged() throws Exception {
        leaveMemory(7);
        // The descriptor of the second of three epochs, which is read also by who trusts the payload.
        long payload = crash.offsetOfPayload(2) / 512 * 512;
        for (long sector = payload - Leftovers.CHUNK_BYTES; sector < payload; sector += 512) {
            crash.flipByte(crash.journal, sector + 10);
        }
        assertThat(serve()).contains("is damaged: it is in the mode unsafe");
        assertImageIsThatOfMemory();
    }

    @Test
    void memoryOfTheModeUnsafeGoesOnInIt() throws Exception {
        crash.image().journal(7, 3, true).served("unsafe", true, 7, 0);
        leaveMemoryOf(7);
        assertThat(serve()).contains("3 chunks are newer");
        assertImageIsThatOfMemory();
    }

    @Test
    void whatWasServedWithoutAJournalIsGoneOnWithWithoutOne() throws Exception {
        crash.image().served("writeback", false, 7, 0);
        leaveMemoryOf(7);
        assertRefused(4, "was served without a journal by a daemon that is gone", up());
        serve("--journal", "none");
        for (int chunk = 0; chunk < 2; chunk++) {
            assertThat(crash.imageByte(chunk)).isEqualTo(RAM_BYTE);
        }
    }

    @Test
    void whatWasServedOtherwiseIsNotTakenOver() throws Exception {
        leaveMemory(7);
        assertRefused(4, "leave --read-only out to take it over", up("--read-only"));
        assertRefused(4, "needs its journal", up("--journal", "none"));
        assertRefused(2, "has chunks of 4096 bytes, not 8192; give --chunk 4096", up("--chunk", "8K"));
        serve();
        assertImageIsThatOfMemory();
    }

    private void assertImageIsThatOfMemory() throws IOException {
        assertThat(crash.imageByte(0)).isEqualTo(RAM_BYTE);
        assertThat(crash.imageByte(1)).isEqualTo(RAM_BYTE);
        assertThat(crash.imageByte(2)).isEqualTo(2);
        assertThat(crash.imageByte(3)).isZero();
    }

    private static void flipSegmentByte(Path segment, long offset) throws IOException {
        try (FileChannel file = FileChannel.open(segment, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            file.read(one, offset);
            one.put(0, (byte) (one.get(0) ^ 1)).flip();
            file.write(one, offset);
        }
    }

    private String suffix() throws IOException {
        ImageIdentity identity = identity();
        return String.format("-%x-%x.ram", identity.device(), identity.inode());
    }

    private ImageIdentity identity() throws IOException {
        try (FileBacking backing = FileBacking.open(crash.image, true)) {
            FileStatus status = backing.status();
            return new ImageIdentity(status.device(), status.inode());
        }
    }

    /** A daemon that was killed when its journal had three epochs that the image lacks, with its memory of this generation. */
    private Path leaveMemory(long generation) throws IOException {
        crash = Leftovers.ofACrash(crash.image);
        return leaveMemoryOf(generation);
    }

    /**
     * The memory of a killed daemon: chunks 0 and 1 were written since the last commit, chunk 2 is in the journal alone, chunk 3 was
     * zeroed by nobody and is as the image has it; the rest is not loaded.
     */
    private Path leaveMemoryOf(long generation) throws IOException {
        Path left = ram.resolve("killed" + suffix());
        SegmentLayout layout = new SegmentLayout(Leftovers.IMAGE_BYTES, Leftovers.CHUNK_BYTES, 256);
        SharedSegment segment = SharedSegment.create(left, layout, false, identity());
        segment.bind(crash.device, generation);
        segment.noteCommitted(3);
        segment.data().asSlice(0, 2L * Leftovers.CHUNK_BYTES).fill((byte) RAM_BYTE);
        segment.data()
                .asSlice(2L * Leftovers.CHUNK_BYTES, Leftovers.CHUNK_BYTES)
                .fill((byte) 2);
        segment.plane(1).set(ValueLayout.JAVA_LONG, 0, 0b0011L); // D0
        segment.plane(3).set(ValueLayout.JAVA_LONG, 0, 0b0101L); // H
        segment.plane(4).set(ValueLayout.JAVA_LONG, 0, 0b1111L); // V
        segment.leave();
        byte[] state = Files.readAllBytes(crash.state);
        StateFile before = ((StateFile.Reading.Whole) StateFile.decode(state)).state();
        new StateFileStore(crash.state, null)
                .replace(new StateFile(
                                before.deviceId(),
                                before.generation(),
                                before.generationBefore(),
                                before.mode(),
                                before.journal(),
                                left.toString(),
                                before.bootId(),
                                null)
                        .encode());
        return left;
    }
}
