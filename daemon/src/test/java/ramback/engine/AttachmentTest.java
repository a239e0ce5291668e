package ramback.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.backing.FileBacking;
import ramback.device.Mode;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.StartDecision;
import ramback.journal.StateFile;
import ramback.journal.StateFileStore;

/** Starts that fail in the middle: what they leave is as good to start from as what was there before. */
class AttachmentTest {

    private static final int IMAGE_BYTES = 256 << 10;
    private static final long JOURNAL_BYTES = 2L << 20;
    private static final UUID DEVICE = new UUID(1, 2);

    @TempDir
    Path directory;

    private Path journal;
    private Path state;
    private Image.Local image;

    @BeforeEach
    void makeImage() throws IOException {
        Path file = Files.write(directory.resolve("disk.img"), new byte[IMAGE_BYTES]);
        journal = directory.resolve("disk.img.journal");
        state = directory.resolve("disk.img.ramback");
        image = new Image.Local(FileBacking.open(file, false));
    }

    @AfterEach
    void closeImage() throws IOException {
        image.backing().close();
    }

    private DeviceOptions options(boolean acceptTorn) {
        return new DeviceOptions(
                new ImageName.Local(image.backing().path()),
                OptionalLong.empty(),
                "disk",
                Mode.WRITEBACK,
                1_000_000_000L,
                new JournalOption(true, null, OptionalLong.of(JOURNAL_BYTES)),
                RamMode.RESERVE,
                4096,
                OptionalLong.empty(),
                1 << 20,
                1,
                false,
                false,
                acceptTorn,
                false,
                false,
                PowerOptions.NONE,
                directory.resolve("ram"),
                directory.resolve("state"));
    }

    private Findings look(boolean acceptTorn) throws Refusal {
        return Findings.look(ImageRequest.toServe(options(acceptTorn)), image, false);
    }

    private JournalIdentity identity() throws IOException {
        return new JournalIdentity(
                DEVICE,
                4096,
                IMAGE_BYTES,
                image.backing().status().device(),
                image.backing().status().inode());
    }

    private void writeState(long generation, boolean withJournal) throws IOException {
        new StateFileStore(state, null).replace(stateOf(generation, withJournal).encode());
    }

    private StateFile stateOf(long generation, boolean withJournal) {
        return new StateFile(
                DEVICE, generation, 0, "writeback", withJournal ? journal.toString() : null, null, "b007", null);
    }

    private void assertDecision(StartDecision decision, boolean acceptTorn) throws Refusal {
        try (Findings found = look(acceptTorn)) {
            assertThat(found.decision()).isEqualTo(decision);
        }
    }

    @Test
    void aJournalThatWasMadeGoesOnlyWhenTheOldStateIsBack() throws Exception {
        writeState(7, false);
        byte[] before = Files.readAllBytes(state);
        Path inTheWay = Path.of(state + ".new");
        try (Findings found = look(false)) {
            assertThat(found.decision()).isEqualTo(StartDecision.START_FRESH);
            Attachment.write(found.store(), stateOf(8, true));
            Files.createDirectory(inTheWay);
            Attachment.takeBack(
                    found,
                    true,
                    FoundJournal.create(journal, identity(), JOURNAL_BYTES, false, WorkProgress.NONE),
                    true);
            assertThat(journal).exists();
            Files.delete(inTheWay);
            Attachment.takeBack(found, true, FoundJournal.look(journal, false), true);
        }
        assertThat(state).hasBinaryContent(before);
        assertThat(journal).doesNotExist();
        assertDecision(StartDecision.START_FRESH, false);
    }

    @Test
    void aTornImageThatIsAcceptedCanBeAcceptedAgainWhenTheJournalFailsInTheMiddle() throws Exception {
        FoundJournal made = FoundJournal.create(journal, identity(), JOURNAL_BYTES, false, WorkProgress.NONE);
        LocalJournal log = LocalJournal.open(made.backing(), made.scan(), 7, () -> 9);
        log.fence();
        log.suspend();
        log.close();
        writeState(7, true);
        assertDecision(StartDecision.TORN, false);
        try (Findings found = look(true)) {
            assertThat(found.decision()).isEqualTo(StartDecision.START_CLEAN);
            assertThat(DescriptorFault.breakWritesTo(journal)).isPositive();
            assertThatThrownBy(() ->
                            Attachment.attach(found, options(true), directory.resolve("segment"), WorkProgress.NONE))
                    .isInstanceOf(Refusal.class);
        }
        assertDecision(StartDecision.TORN, false);
        assertDecision(StartDecision.START_CLEAN, true);

        // Broken off behind the journal it has been accepted.
        Path inTheWay = Files.createDirectory(Path.of(state + ".new"));
        try (Findings found = look(true)) {
            assertThatThrownBy(() ->
                            Attachment.attach(found, options(true), directory.resolve("segment"), WorkProgress.NONE))
                    .isInstanceOf(Refusal.class);
        }
        Files.delete(inTheWay);
        assertThat(verdict()).isEqualTo(JournalScan.Verdict.CLEAN);
        assertDecision(StartDecision.START_CLEAN, false);
    }

    private JournalScan.Verdict verdict() throws IOException {
        try (FileBacking backing = FileBacking.open(journal, true)) {
            return JournalScan.of(backing).verdict();
        }
    }
}
