package ramback.cli;

import java.util.List;
import java.util.function.Consumer;

/** A view where there is no screen: the table of devices as plain lines, and an empty one behind it, at each turn. */
final class Blocks implements Screen {

    private final Shell shell;
    private final StatusScreen.Style style;

    Blocks(Shell shell) {
        this.shell = shell;
        this.style = new StatusScreen.Style(
                false, StatusScreen.Style.of(shell, false).isUnicode());
    }

    @Override
    public void open(Consumer<ViewEvent> events) {
        shell.signals().onStop(() -> events.accept(new ViewEvent.Stop()));
    }

    @Override
    public void spoilt() {
        // Nothing is drawn over.
    }

    @Override
    public boolean show(Board board, Keyboard keyboard, long nowNanos) {
        List<Watched> devices = board.devices();
        StringBuilder text = new StringBuilder();
        if (devices.isEmpty()) {
            text.append("no device is running (looked in ")
                    .append(board.place())
                    .append(")\n");
        } else {
            DeviceTable.lines(devices, nowNanos, style)
                    .forEach(line -> text.append(line).append('\n'));
        }
        shell.out().print(text.append('\n'));
        shell.out().flush();
        return !shell.out().checkError();
    }

    @Override
    public void close() {
        // Nothing was taken.
    }
}
