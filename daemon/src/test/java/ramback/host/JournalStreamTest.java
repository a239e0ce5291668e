package ramback.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalStreamTest {

    @TempDir
    Path directory;

    @Test
    void onlyTheAnnouncedFileIsTheJournal() throws Exception {
        Path journal = Files.createFile(directory.resolve("journal"));
        Path other = Files.createFile(directory.resolve("other"));
        String announced = Files.getAttribute(journal, "unix:dev") + ":" + Files.getAttribute(journal, "unix:ino");
        assertThat(JournalStream.isJournal(announced, journal)).isTrue();
        assertThat(JournalStream.isJournal(announced, other)).isFalse();
        assertThat(JournalStream.isJournal(null, journal)).isFalse();
        assertThat(JournalStream.isJournal("", journal)).isFalse();
        assertThat(JournalStream.isJournal(announced, directory.resolve("none")))
                .isFalse();
    }

    @Test
    void aLineThereBeginsWithItsPriority() {
        assertThat(JournalStream.prefix(System.Logger.Level.ERROR)).isEqualTo("<3>");
        assertThat(JournalStream.prefix(System.Logger.Level.WARNING)).isEqualTo("<4>");
        assertThat(JournalStream.prefix(System.Logger.Level.INFO)).isEqualTo("<6>");
        assertThat(JournalStream.prefix(System.Logger.Level.DEBUG)).isEqualTo("<7>");
    }
}
