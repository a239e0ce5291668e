package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jline.terminal.KeyEvent;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.junit.jupiter.api.Test;
import ramback.engine.Refusal;

/** What a terminal is sent and what its keys become; a real one is tried in verify.d/52-terminal.sh. */
class FullScreenTest {

    /** More than a machine under load pauses; the escape key alone takes as long. */
    private static final long SEQUENCE_MILLIS = 2_000;

    private final ShellOnPaper shell = new ShellOnPaper(Path.of("/nowhere"));
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private final PipedOutputStream typed = new PipedOutputStream();
    private final BlockingQueue<ViewEvent> events = new LinkedBlockingQueue<>();

    private Terminal terminal() throws IOException {
        return TerminalBuilder.builder()
                .system(false)
                .provider(TerminalBuilder.PROP_PROVIDER_EXEC)
                .streams(new PipedInputStream(typed), sent)
                .type("xterm")
                .encoding(UTF_8)
                .size(Size.of(80, 24))
                .build();
    }

    private static Board board(String more) throws Exception {
        Board board = new Board("/run/ramback", true);
        board.found(List.of("disk"), 0);
        board.device("disk").answer(Answer.status("disk", more), 0);
        return board;
    }

    @Test
    void theScreenIsTakenDrawnOnWhereSomethingChangedAndGivenBack() throws Exception {
        FullScreen screen = new FullScreen(shell.shell(), this::terminal, SEQUENCE_MILLIS);
        screen.open(events::add);
        assertThat(screen.show(board(""), new Keyboard(), 0)).isTrue();
        String first = sent.toString(UTF_8);
        assertThat(first)
                .contains("\033[?1049h")
                .contains("\033[?25l")
                .contains("disk")
                .contains("ready");
        sent.reset();
        screen.show(board(""), new Keyboard(), 0);
        assertThat(sent.size()).as("nothing new").isZero();
        screen.show(board("\"state\":\"stopping\""), new Keyboard(), 0);
        assertThat(sent.toString(UTF_8)).hasSizeLessThan(200).contains("stopping");
        sent.reset();
        screen.spoilt();
        screen.show(board(""), new Keyboard(), 0);
        assertThat(sent.toString(UTF_8)).contains("\033[2J").contains("disk").contains("ready");
        sent.reset();
        screen.close();
        assertThat(sent.toString(UTF_8)).contains("\033[?1049l").contains("\033[?25h");
        screen.close();
    }

    @Test
    void keysComeAsTheyArePressed() throws Exception {
        try (FullScreen screen = new FullScreen(shell.shell(), this::terminal, SEQUENCE_MILLIS)) {
            screen.open(events::add);
            type("f");
            assertThat(key().getCharacter()).isEqualTo('f');
            type("\033[A");
            assertThat(key().getArrow()).isEqualTo(KeyEvent.Arrow.Up);
            type("\033OB");
            assertThat(key().getArrow()).isEqualTo(KeyEvent.Arrow.Down);
            type("\033");
            assertThat(key().getSpecial()).isEqualTo(KeyEvent.Special.Escape);
            type("\033[6~q");
            assertThat(key().getSpecial()).isEqualTo(KeyEvent.Special.PageDown);
            assertThat(key().getCharacter()).isEqualTo('q');
            typed.close();
            assertThat(events.take()).isInstanceOf(ViewEvent.Stop.class);
        }
    }

    private void type(String keys) throws IOException {
        typed.write(keys.getBytes(UTF_8));
        typed.flush();
    }

    private KeyEvent key() throws InterruptedException {
        return ((ViewEvent.Pressed) events.take()).key();
    }

    @Test
    void aTerminalThatCannotBeHadIsARefusal() {
        FullScreen screen = new FullScreen(
                shell.shell(),
                () -> {
                    throw new IOException("no stty");
                },
                SEQUENCE_MILLIS);
        assertThatThrownBy(() -> screen.open(events::add))
                .isInstanceOf(Refusal.class)
                .hasMessage("cannot draw on this terminal: no stty; pipe the output through cat for plain lines");
        screen.close();
    }

    @Test
    void aScreenThatWasNeverOpenedIsNotGivenBack() {
        new FullScreen(shell.shell()).close();
        assertThat(shell.out()).isEmpty();
    }
}
