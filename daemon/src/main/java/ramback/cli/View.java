package ramback.cli;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.control.ControlClient;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;

/**
 * Devices followed on a {@link Screen}: one ({@code status --watch}) or all ({@code top}). One thread has the picture and
 * all that is in it. Once a second it has every device asked, each on a virtual thread of its own, draws when all have
 * answered or a quarter of a second is over, and sleeps: a device that does not answer holds up nobody, is not asked
 * again before it has, and is shown with the age of what it said last. What keys ask for is done by others as well.
 */
final class View {

    private static final long PERIOD_NANOS = 1_000_000_000L;

    /** How long a picture waits for those who have not answered yet. */
    private static final long PATIENCE_NANOS = 250_000_000L;

    /** Of events that wait; whoever has more to tell waits. */
    private static final int EVENTS_MAX = 1_000;

    /** What stands among the names of those who have been asked for the question which names there are. */
    private static final String NAMES = "";

    private final Shell shell;
    private final RunDirectory directory;
    private final @Nullable String only;
    private final Screen screen;
    private final Board board;
    private final Keyboard keyboard = new Keyboard();
    private final BlockingQueue<ViewEvent> events = new LinkedBlockingQueue<>(EVENTS_MAX);
    private final Set<String> asked = new HashSet<>();
    private volatile boolean isStopped;
    private boolean isOpen;
    private boolean isLooking;
    private boolean isChanged;
    private boolean isRoundOpen;
    private boolean isQuit;
    private @Nullable Refusal refusal;

    /**
     * A view.
     *
     * @param only the device to follow until it stops; null for all there are, and will be
     * @param screen is opened when there is something to show, and closed at the end
     */
    View(Shell shell, RunDirectory directory, @Nullable String only, Screen screen) {
        this.shell = shell;
        this.directory = directory;
        this.only = only;
        this.screen = screen;
        this.board = new Board(directory.path().toString(), only == null);
    }

    /** A view on the terminal, or where there is none as blocks of lines. */
    static View of(Shell shell, RunDirectory directory, @Nullable String only) {
        boolean isScreen = Terminal.isScreen(shell.environment());
        return new View(shell, directory, only, isScreen ? new FullScreen(shell) : new Blocks(shell));
    }

    /** Follows until it is told to stop; returns the exit code. */
    int run() throws Refusal, InterruptedException {
        boolean hasStopped;
        try (screen) {
            hasStopped = follow();
        }
        if (hasStopped) {
            shell.say(only + " has stopped");
        }
        return ExitCode.OK;
    }

    /** Returns whether it ended because the device has stopped. */
    private boolean follow() throws Refusal, InterruptedException {
        if (only != null) {
            board.found(List.of(only), System.nanoTime());
        }
        long roundNanos = System.nanoTime() - PERIOD_NANOS;
        while (!isQuit && !isStopped) {
            long now = System.nanoTime();
            if (now - roundNanos >= PERIOD_NANOS) {
                roundNanos = now;
                beginRound();
            }
            // The first picture waits longer: one of which nothing is known yet is none.
            long patienceNanos = isOpen ? PATIENCE_NANOS : PERIOD_NANOS / 2;
            if (isChanged || (isRoundOpen && (asked.isEmpty() || now - roundNanos >= patienceNanos))) {
                isChanged = false;
                isRoundOpen &= !asked.isEmpty() && now - roundNanos < patienceNanos;
                if (!show(now)) {
                    return false;
                }
            }
            long untilNanos = roundNanos + (isRoundOpen ? patienceNanos : PERIOD_NANOS);
            ViewEvent event = events.poll(Math.max(0, untilNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
            // All that has come meanwhile goes into one picture.
            while (event != null) {
                take(event, System.nanoTime());
                event = events.poll();
            }
            if (refusal != null) {
                Watched device = only == null ? null : board.device(only);
                if (device != null
                        && device.status() != null
                        && device.status().state().equals("stopping")) {
                    return true;
                }
                throw refusal;
            }
        }
        return false;
    }

    private boolean show(long nowNanos) throws Refusal {
        if (!isOpen) {
            isOpen = true;
            screen.open(this::tell);
        }
        return screen.show(board, keyboard, nowNanos);
    }

    /** Takes an event from any thread. */
    private void tell(ViewEvent event) {
        if (event instanceof ViewEvent.Stop) {
            isStopped = true;
            events.offer(event); // to wake the other side, which a full queue does as well
            return;
        }
        try {
            events.put(event);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ------------------------------------------------------------------------------------------------------- asking

    private void beginRound() {
        isRoundOpen = true;
        asked.clear();
        if (only == null && !isLooking) {
            isLooking = true;
            asked.add(NAMES);
            Thread.startVirtualThread(this::look);
        }
        board.devices().forEach(this::ask);
    }

    private void look() {
        ViewEvent found;
        try {
            found = new ViewEvent.Found(directory.names());
        } catch (Refusal e) {
            found = new ViewEvent.NotFound(e);
        } catch (RuntimeException e) {
            found = new ViewEvent.NotFound(unexpected(e));
        }
        tell(found);
    }

    private void ask(Watched device) {
        if (device.isAsked()) {
            return;
        }
        device.ask();
        asked.add(device.name());
        ControlClient client = new ControlClient(directory, device.name());
        Thread.startVirtualThread(() -> tell(answerOf(client)));
    }

    private static ViewEvent answerOf(ControlClient client) {
        try {
            return new ViewEvent.Answered(client.name(), client.status());
        } catch (Refusal e) {
            return new ViewEvent.NotAnswered(client.name(), e, client.isStarting());
        } catch (RuntimeException e) {
            // An answer that is none: a number out of its range, for example.
            return new ViewEvent.NotAnswered(client.name(), unexpected(e), false);
        }
    }

    private static Refusal unexpected(RuntimeException e) {
        return new Refusal(Refusal.Kind.FAILED, "internal error: " + e, e);
    }

    // --------------------------------------------------------------------------------------------------- what comes

    private void take(ViewEvent event, long nowNanos) {
        switch (event) {
            case ViewEvent.Pressed(var key) -> press(keyboard.press(key, board.chosen()), nowNanos);
            case ViewEvent.Redraw() -> {
                screen.spoilt();
                isChanged = true;
            }
            case ViewEvent.Stop() -> isQuit = true;
            case ViewEvent.Found(var names) -> {
                isLooking = false;
                asked.remove(NAMES);
                board.found(names, nowNanos);
                board.devices().stream()
                        .filter(device -> device.status() == null && device.refusal() == null)
                        .forEach(this::ask);
            }
            case ViewEvent.NotFound(var why) -> {
                isLooking = false;
                asked.remove(NAMES);
                refusal = why;
            }
            case ViewEvent.Answered(var name, var status) -> {
                asked.remove(name);
                Watched device = board.device(name);
                if (device != null) {
                    device.answer(status, nowNanos);
                }
            }
            case ViewEvent.NotAnswered(var name, var why, var isStarting) -> {
                asked.remove(name);
                Watched device = board.device(name);
                if (device != null) {
                    device.refuse(why, isStarting);
                    boolean isEnd = device.status() == null ? !isStarting : device.isGoneForGood();
                    if (only != null && isEnd) {
                        refusal = why;
                    }
                }
            }
            case ViewEvent.Done(var name, var why) -> {
                board.done(name, why == null ? null : why.getMessage(), nowNanos);
                isChanged = true;
            }
        }
    }

    private void press(Keyboard.Action action, long nowNanos) {
        isChanged = true;
        if (board.isNoticeBad()) {
            board.forgetNotice();
        }
        switch (action) {
            case Keyboard.Action.Nothing() -> {
                // Another question, perhaps: it is drawn.
            }
            case Keyboard.Action.Quit() -> isQuit = true;
            case Keyboard.Action.Choose(var places) -> board.choose(places);
            case Keyboard.Action.Flush(var name) -> request(name, "flush of " + name, ControlClient::flush, nowNanos);
            case Keyboard.Action.Switch(var name, var word) ->
                request(name, "mode " + word + " of " + name, client -> client.switchMode(word), nowNanos);
        }
    }

    /** Something that is asked of a device, and may take any time. */
    private interface Asking {
        void of(ControlClient client) throws Refusal;
    }

    private void request(String name, String words, Asking asking, long nowNanos) {
        if (!board.request(name, words, nowNanos)) {
            return;
        }
        ControlClient client = new ControlClient(directory, name);
        Thread.startVirtualThread(() -> {
            Refusal why = null;
            try {
                asking.of(client);
            } catch (Refusal e) {
                why = e;
            } catch (RuntimeException e) {
                why = unexpected(e);
            }
            tell(new ViewEvent.Done(name, why));
        });
    }
}
