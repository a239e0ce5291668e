package ramback.cli;

import java.util.List;
import org.jline.terminal.KeyEvent;
import org.jspecify.annotations.Nullable;
import ramback.control.StatusReport;
import ramback.engine.Refusal;

/** What a view is told by other threads: by those that read keys, hear signals, or ask devices. */
sealed interface ViewEvent {

    /** A key was pressed. */
    record Pressed(KeyEvent key) implements ViewEvent {}

    /** The screen has another size, or was spoilt by somebody: all of it is to be drawn again. */
    record Redraw() implements ViewEvent {}

    /** It is to end. */
    record Stop() implements ViewEvent {}

    /** These devices have a directory now. */
    record Found(List<String> names) implements ViewEvent {}

    /** Nobody can say what devices there are. */
    record NotFound(Refusal refusal) implements ViewEvent {}

    /** A device has answered. */
    record Answered(String name, StatusReport status) implements ViewEvent {}

    /**
     * A device has not answered.
     *
     * @param isStarting whether it is about to, or was until a moment ago
     */
    record NotAnswered(String name, Refusal refusal, boolean isStarting) implements ViewEvent {}

    /** What was asked of a device is done; or was not, and why. */
    record Done(String name, @Nullable Refusal refusal) implements ViewEvent {}
}
