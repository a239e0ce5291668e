package ramback.cli;

import java.io.IOError;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jline.terminal.Attributes;
import org.jline.terminal.Attributes.ControlChar;
import org.jline.terminal.Attributes.InputFlag;
import org.jline.terminal.Attributes.LocalFlag;
import org.jline.terminal.KeyParser;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.AttributedString;
import org.jline.utils.Display;
import org.jline.utils.InfoCmp.Capability;
import org.jline.utils.NonBlockingReader;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;
import ramback.host.TerminalSettings;

/**
 * A view on the whole terminal: its second screen, so that what was there before is there again afterwards. Through JLine
 * and stty(1), without native code but for the settings that are given back. Each picture is one write of what is different from the one before.
 */
final class FullScreen implements Screen {

    private static final int COLUMNS_DEFAULT = 80;
    private static final int ROWS_DEFAULT = 24;

    private static final char ESCAPE = 27;

    private static final long SEQUENCE_MILLIS = 50;

    private static final int SEQUENCE_LENGTH_MAX = 32;

    /** How long a key is waited for at a time. */
    private static final long KEY_MILLIS_MAX = 3_600_000;

    /** A terminal that takes nothing any more must not keep the process from ending. */
    private static final long CLOSE_MILLIS_MAX = 3_000;

    /** How long its settings may take after that. */
    private static final long RESTORE_MILLIS_MAX = 500;

    /** How the terminal is come by; another one in tests. */
    interface Opening {
        Terminal open() throws IOException;
    }

    private final Shell shell;
    private final Opening opening;
    private final StatusScreen.Style style;
    /** Within this time the rest of a key's sequence comes, or it was the escape key itself. */
    private final long sequenceMillis;

    private final CountDownLatch closed = new CountDownLatch(1);
    private @Nullable Terminal terminal;
    private volatile @Nullable TerminalSettings before;
    /** From then on no key is waited for: JLine's reader would change the terminal's settings again. */
    private volatile boolean isClosing;

    private @Nullable Display display;
    private List<AttributedString> shown = List.of();
    private int columnCount = COLUMNS_DEFAULT;
    private int rowCount = ROWS_DEFAULT;

    FullScreen(Shell shell) {
        this(
                shell,
                () -> TerminalBuilder.builder()
                        .name("ramback")
                        .system(true)
                        .systemOutput(TerminalBuilder.SystemOutput.SysOut)
                        .provider(TerminalBuilder.PROP_PROVIDER_EXEC)
                        .dumb(false)
                        .encoding(shell.out().charset())
                        .graphemeCluster(false) // which would ask the terminal, and wait for it
                        .build(),
                SEQUENCE_MILLIS);
    }

    FullScreen(Shell shell, Opening opening, long sequenceMillis) {
        this.shell = shell;
        this.sequenceMillis = sequenceMillis;
        this.opening = opening;
        this.style = StatusScreen.Style.of(shell, true);
    }

    @Override
    public void open(Consumer<ViewEvent> events) throws Refusal {
        try {
            before = TerminalSettings.ofStandardInput();
            take(opening.open(), events);
        } catch (IOException | IOError | IllegalStateException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot draw on this terminal: " + e.getMessage() + "; pipe the output through cat for plain lines",
                    e);
        }
    }

    private void take(Terminal opened, Consumer<ViewEvent> events) {
        terminal = opened;
        display = new Display(opened, true);
        // After JLine has put its own handlers in place.
        shell.signals().onStop(() -> stop(events));
        opened.handle(Terminal.Signal.WINCH, _ -> events.accept(new ViewEvent.Redraw()));
        opened.handle(Terminal.Signal.CONT, _ -> events.accept(new ViewEvent.Redraw()));
        opened.setAttributes(keys(opened.getAttributes()));
        opened.puts(Capability.enter_ca_mode);
        opened.puts(Capability.cursor_invisible);
        spoilt();
        NonBlockingReader reader = opened.reader();
        Thread.ofPlatform().daemon().name("keys").start(() -> read(reader, events));
    }

    /**
     * The attributes with which keys come as they are pressed. Ctrl-C stays a signal, which is heard even when the terminal
     * takes no output; Ctrl-Z and Ctrl-\ would leave the screen in our hands, and are off.
     */
    private static Attributes keys(Attributes before) {
        Attributes keys = new Attributes(before);
        keys.setLocalFlags(EnumSet.of(LocalFlag.ICANON, LocalFlag.ECHO, LocalFlag.IEXTEN), false);
        keys.setInputFlags(EnumSet.of(InputFlag.IXON, InputFlag.ICRNL, InputFlag.INLCR), false);
        // As JLine's reader wants them: else it would set them by itself, later, and perhaps after all was given back.
        keys.setControlChar(ControlChar.VMIN, 0);
        keys.setControlChar(ControlChar.VTIME, 1);
        keys.setControlChar(ControlChar.VSUSP, 0);
        keys.setControlChar(ControlChar.VQUIT, 0);
        return keys;
    }

    private void stop(Consumer<ViewEvent> events) {
        events.accept(new ViewEvent.Stop());
        try {
            if (!closed.await(CLOSE_MILLIS_MAX, TimeUnit.MILLISECONDS)) {
                Thread restoring = Thread.ofPlatform().daemon().name("restore").start(this::restore);
                restoring.join(RESTORE_MILLIS_MAX);
                Runtime.getRuntime().halt(ExitCode.FAILED);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void restore() {
        TerminalSettings settings = before;
        if (settings != null) {
            settings.restore();
        }
    }

    private void read(NonBlockingReader reader, Consumer<ViewEvent> events) {
        try {
            int c;
            do {
                // Without a limit JLine would hold a lock in the read, for which its close waits until the next key.
                c = reader.read(KEY_MILLIS_MAX);
                if (c >= 0) {
                    events.accept(new ViewEvent.Pressed(KeyParser.parse(sequence((char) c, reader))));
                }
            } while (!isClosing && (c >= 0 || c == NonBlockingReader.READ_EXPIRED));
        } catch (IOException e) {
            // Closed: by us, or by whoever had the other end.
        }
        events.accept(new ViewEvent.Stop());
    }

    /** Everything that one key sends. */
    private String sequence(char first, NonBlockingReader reader) throws IOException {
        StringBuilder sequence = new StringBuilder().append(first);
        if (first == ESCAPE) {
            while (sequence.length() < SEQUENCE_LENGTH_MAX && !isComplete(sequence)) {
                int next = reader.read(sequenceMillis);
                if (next < 0) {
                    break;
                }
                sequence.append((char) next);
            }
            // What cursor keys send in a terminal's application mode, in which somebody may have left it.
            if (sequence.length() == 3 && sequence.charAt(1) == 'O' && "ABCDHF".indexOf(sequence.charAt(2)) >= 0) {
                sequence.setCharAt(1, '[');
            }
        }
        return sequence.toString();
    }

    /** By ECMA-48: ESC [ parameters and a final byte; ESC O and one; ESC and one. */
    private static boolean isComplete(CharSequence sequence) {
        int length = sequence.length();
        if (length < 2) {
            return false;
        }
        return switch (sequence.charAt(1)) {
            case '[' -> length > 2 && sequence.charAt(length - 1) >= '@' && sequence.charAt(length - 1) <= '~';
            case 'O' -> length == 3;
            default -> true;
        };
    }

    @Override
    public void spoilt() {
        if (terminal == null || display == null) {
            return;
        }
        Size size;
        try {
            size = terminal.getSize();
        } catch (IOError e) {
            return; // the terminal has gone, which the next picture will tell
        }
        columnCount = size.getColumns() > 0 ? size.getColumns() : COLUMNS_DEFAULT;
        rowCount = size.getRows() > 0 ? size.getRows() : ROWS_DEFAULT;
        display.resize(Size.of(columnCount, rowCount));
        display.clear();
        shown = List.of();
    }

    @Override
    public boolean show(Board board, Keyboard keyboard, long nowNanos) {
        if (terminal == null || display == null) {
            return false;
        }
        List<AttributedString> lines = new ArrayList<>();
        for (AttributedString line : Frame.of(board, keyboard, nowNanos, columnCount, rowCount, style)) {
            // The end of line tells the display that the next one is not a continuation.
            lines.add(AttributedString.join(AttributedString.EMPTY, line, AttributedString.NEWLINE));
        }
        if (!lines.equals(shown)) {
            shown = lines;
            display.update(lines, 0);
        }
        return !terminal.writer().checkError();
    }

    @Override
    public void close() {
        Terminal opened = terminal;
        if (opened == null) {
            return;
        }
        terminal = null;
        isClosing = true;
        try {
            opened.puts(Capability.exit_ca_mode);
            opened.puts(Capability.cursor_normal);
            opened.flush();
            // While our handler is in place: a Ctrl-C that comes when JLine has taken it away ends us half way.
            restore();
            opened.close();
            restore(); // once more, should a key have come between
        } catch (IOException | IOError e) {
            // Nobody is there to be given anything back.
        }
        closed.countDown();
    }
}
