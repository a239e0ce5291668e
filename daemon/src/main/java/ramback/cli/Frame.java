package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;
import org.jspecify.annotations.Nullable;
import ramback.control.Light;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.power.ForeignText;

/**
 * One picture of a {@link Board}, of a given size: the table of devices if it has one, the chosen device below, what the
 * operator should know or is asked, and the keys. Whatever the size, nothing is wider or longer, and what matters least
 * is left out first. No colour says anything that a word does not.
 */
final class Frame {

    private static final int LABEL_CELLS = 10;
    private static final int WIDE_BARS_COLUMNS = 100;
    private static final int NARROW_COLUMNS = 60;
    private static final int NEWS_LINES_MAX = 3;

    /** What a screen that is too low for everything goes without, in this order. */
    private static final List<String> LEAST_FIRST = List.of(
            "daemon",
            "NBD",
            "dashboard",
            "size",
            "committed",
            "image",
            "clients",
            "attached",
            "warning",
            "errors",
            "snapshot",
            "latency",
            "requests",
            "mode",
            "power",
            "journal",
            "loaded");

    private static final AttributedStyle PLAIN = AttributedStyle.DEFAULT;
    private static final AttributedStyle FAINT = PLAIN.faint();
    private static final AttributedStyle BOLD = PLAIN.bold();

    private final Board board;
    private final Keyboard keyboard;
    private final long nowNanos;
    private final int columnCount;
    private final StatusScreen.Style style;
    private final List<AttributedString> lines = new ArrayList<>();

    private Frame(Board board, Keyboard keyboard, long nowNanos, int columnCount, StatusScreen.Style style) {
        this.board = board;
        this.keyboard = keyboard;
        this.nowNanos = nowNanos;
        this.columnCount = columnCount;
        this.style = style;
    }

    /** The picture: at most so many lines, each of at most so many cells. */
    static List<AttributedString> of(
            Board board, Keyboard keyboard, long nowNanos, int columnCount, int rowCount, StatusScreen.Style style) {
        Frame frame = new Frame(board, keyboard, nowNanos, columnCount, style);
        frame.draw(rowCount);
        return frame.lines.size() <= rowCount ? frame.lines : frame.lines.subList(0, rowCount);
    }

    private void draw(int rowCount) {
        if (keyboard.question() == Keyboard.Question.HELP) {
            help();
            return;
        }
        List<AttributedString> footer = footer(rowCount);
        int left = rowCount - footer.size();
        if (board.isTable()) {
            left -= table(left);
        }
        Watched chosen = board.chosen() == null ? null : board.device(board.chosen());
        if (chosen != null && left > 0) {
            if (board.isTable() && left > 12) {
                lines.add(AttributedString.EMPTY);
                left--;
            }
            detail(chosen, left);
        }
        while (lines.size() < rowCount - footer.size()) {
            lines.add(AttributedString.EMPTY);
        }
        lines.addAll(footer);
    }

    // --------------------------------------------------------------------------------------------------- the table

    /** Draws the table into at most so many lines, half of them if there is something to show below; returns how many. */
    private int table(int rowCount) {
        List<Watched> devices = board.devices();
        int before = lines.size();
        if (devices.isEmpty()) {
            if (board.isLookedFor()) {
                wrapped("no device is running (looked in " + board.place() + ")", rowCount);
                wrapped("start one with 'ramback up IMAGE': it appears here", rowCount - (lines.size() - before));
            }
            return lines.size() - before;
        }
        DeviceTable table = DeviceTable.fitting(columnCount - 2);
        AttributedStringBuilder titles = new AttributedStringBuilder();
        titles.style(FAINT).append("  ").append(String.join(" ", table.titles()));
        add(titles.toAttributedString());
        int shown = Math.clamp((rowCount - 1) / 2, 1, devices.size());
        // The chosen one in the middle, but no empty lines at either end.
        int first = Math.clamp(board.chosenIndex() - (long) shown / 2, 0, devices.size() - shown);
        for (Watched device : devices.subList(first, first + shown)) {
            add(tableLine(table, device));
        }
        return lines.size() - before;
    }

    private AttributedString tableLine(DeviceTable table, Watched device) {
        boolean isChosen = device.name().equals(board.chosen());
        // Reversed where it is chosen, and marked: not everybody sees the one, and a copy of the text keeps the other.
        AttributedStyle base = isChosen ? PLAIN.inverse() : PLAIN;
        AttributedStringBuilder line = new AttributedStringBuilder();
        line.style(base).append(isChosen ? "> " : "  ");
        List<String> cells = table.cells(device, nowNanos, style);
        for (int i = 0; i < cells.size(); i++) {
            if (i > 0) {
                line.style(base).append(' ');
            }
            String cell = cells.get(i);
            if (i == DeviceTable.LIGHT_INDEX) {
                line.style(coloured(base, device.light(nowNanos))).append(cell, 0, Math.min(1, cell.length()));
                line.style(base).append(cell, Math.min(1, cell.length()), cell.length());
            } else {
                line.style(base).append(cell);
            }
        }
        return line.toAttributedString();
    }

    private AttributedStyle coloured(AttributedStyle base, @Nullable Light light) {
        if (!style.isColoured() || light == null) {
            return base;
        }
        return base.foreground(
                switch (light) {
                    case GREEN -> AttributedStyle.GREEN;
                    case AMBER -> AttributedStyle.YELLOW;
                    case RED -> AttributedStyle.RED;
                });
    }

    // -------------------------------------------------------------------------------------------- the chosen device

    private void detail(Watched device, int rowCount) {
        int end = lines.size() + rowCount;
        Light light = device.light(nowNanos);
        AttributedStringBuilder title = new AttributedStringBuilder();
        title.style(BOLD).append(device.name()).style(PLAIN).append("  ");
        title.style(coloured(PLAIN, light)).append(light == null ? "?" : style.dot());
        title.style(PLAIN)
                .append(' ')
                .append(light == null ? "none" : light.word())
                .append("  ");
        StatusReport status = device.status();
        boolean isFresh = device.isFresh(nowNanos);
        title.append(status != null && isFresh ? StatusScreen.state(status) : device.state(nowNanos));
        add(title.toAttributedString());
        Refusal refusal = device.refusal();
        if (status == null || !isFresh) {
            String why = refusal == null
                    ? status == null ? "asked; no answer yet" : "does not answer; this is what it said last"
                    : String.valueOf(refusal.getMessage());
            wrapped(why, Math.min(NEWS_LINES_MAX, end - lines.size()));
        }
        if (status == null || device.isGone()) {
            return;
        }
        int barCellCount =
                columnCount >= WIDE_BARS_COLUMNS ? StatusScreen.BAR_CELLS : columnCount >= NARROW_COLUMNS ? 10 : 6;
        List<StatusScreen.Line> rows =
                StatusScreen.body(status, device.earlier(), device.peakDirtyBytes(), barCellCount);
        for (StatusScreen.Line row : fitting(rows, end - lines.size())) {
            AttributedStringBuilder line = new AttributedStringBuilder();
            line.style(FAINT).append(padded(row.label())).style(PLAIN).append(row.text());
            add(line.toAttributedString());
        }
    }

    private static String padded(String label) {
        return label + " ".repeat(Math.max(1, LABEL_CELLS - label.length()));
    }

    /** Leaves out what matters least until so many rows are left. A row without a label goes with the one above. */
    private static List<StatusScreen.Line> fitting(List<StatusScreen.Line> rows, int rowCount) {
        List<StatusScreen.Line> fitting = new ArrayList<>(rows);
        for (String label : LEAST_FIRST) {
            for (int i = fitting.size() - 1; i >= 0 && fitting.size() > rowCount; i--) {
                if (fitting.get(i).label().equals(label)) {
                    fitting.remove(i);
                    while (i < fitting.size() && fitting.get(i).label().isEmpty()) {
                        fitting.remove(i);
                    }
                }
            }
        }
        return fitting.size() <= rowCount ? fitting : fitting.subList(0, Math.max(0, rowCount));
    }

    // ------------------------------------------------------------------------------------------ the bottom, and help

    /** What the operator is asked or should know, and the keys. On a low screen the keys go first. */
    private List<AttributedString> footer(int rowCount) {
        boolean isAsked = keyboard.question() != Keyboard.Question.NONE;
        String words = isAsked ? keyboard.words() : board.news(nowNanos);
        AttributedStyle look = isAsked || board.isNoticeBad() ? BOLD : PLAIN;
        List<AttributedString> footer = new ArrayList<>();
        for (String line : wrap(words, columnCount, Math.min(NEWS_LINES_MAX, rowCount / 2))) {
            footer.add(cut(new AttributedString(line, look)));
        }
        if (rowCount >= 8) {
            if (footer.isEmpty()) {
                footer.add(AttributedString.EMPTY); // so that nothing jumps when there is news
            }
            footer.add(cut(new AttributedString(keys(), FAINT)));
        }
        return footer;
    }

    private String keys() {
        String choose = board.isTable() ? (style.isUnicode() ? "↑↓ choose  " : "up/down choose  ") : "";
        String keys = choose + "f flush  m mode  ? help  q quit";
        if (keys.length() <= columnCount) {
            return keys;
        }
        String narrow = keys.replace("  ", " ");
        return narrow.length() <= columnCount ? narrow : narrow.replace(" choose", "");
    }

    private void help() {
        add(new AttributedString("keys", BOLD));
        if (board.isTable()) {
            add(new AttributedString("  up, down   choose a device; also Home, End, PageUp, PageDown"));
        }
        add(new AttributedString("  f          flush: carry everything dirty to the image now"));
        add(new AttributedString("  m          mode: then a number; auto goes back to what up was given"));
        add(new AttributedString("  q, Ctrl-C  quit; the devices go on, and so does what was asked of them"));
        add(AttributedString.EMPTY);
        add(new AttributedString("light", BOLD));
        light(Light.GREEN, "fully loaded, mode as configured, loss within its limit");
        light(Light.AMBER, "loading, flushing, throttling, another mode than configured,");
        add(new AttributedString("             on battery, or the UPS not heard"));
        light(Light.RED, "image or journal fail, do not answer, or are not what they were");
        add(new AttributedString("  ? none     no answer: gone, starting, or silent for some seconds"));
        add(AttributedString.EMPTY);
        add(new AttributedString("loss: what a power failure at this moment would cost", PLAIN));
        add(new AttributedString("any key goes back", FAINT));
    }

    private void light(Light light, String meaning) {
        AttributedStringBuilder line = new AttributedStringBuilder();
        line.append("  ").style(coloured(PLAIN, light)).append(style.dot()).style(PLAIN);
        line.append(' ').append(padded(light.word()).substring(0, 9)).append(meaning);
        add(line.toAttributedString());
    }

    // --------------------------------------------------------------------------------------------------------- lines

    private void add(AttributedString line) {
        lines.add(cut(line));
    }

    /** Adds a text over at most so many lines. */
    private void wrapped(String text, int rowCount) {
        wrap(ForeignText.printable(text), columnCount, rowCount).forEach(line -> add(new AttributedString(line)));
    }

    /** A line that is too wide ends where the screen does, and shows that it does. */
    private AttributedString cut(AttributedString line) {
        if (line.columnLength() <= columnCount) {
            return line;
        }
        AttributedStringBuilder cut = new AttributedStringBuilder();
        cut.append(line.columnSubSequence(0, columnCount - 1));
        return cut.append(style.isUnicode() ? "…" : "~").toAttributedString();
    }

    /**
     * Breaks a text at its spaces into at most so many lines. What is too wide is for {@link #cut}: a single word, and the
     * last line with all that there was no line for.
     */
    static List<String> wrap(String text, int columnCount, int lineCount) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (String word : text.split(" ", -1)) {
            boolean isLast = lines.size() >= lineCount - 1;
            if (!line.isEmpty() && !isLast && line.length() + 1 + word.length() > columnCount) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        if (!line.isEmpty() && lines.size() < lineCount) {
            lines.add(line.toString());
        }
        return lines;
    }
}
