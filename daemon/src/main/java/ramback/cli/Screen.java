package ramback.cli;

import java.util.function.Consumer;
import ramback.engine.Refusal;

/** Where a view is shown. For one thread, but for the events that it tells of. */
interface Screen extends AutoCloseable {

    /**
     * Takes possession of it, when there is something to show for the first time.
     *
     * @param events whom to tell of keys, of changes of its size, and of what asks for the end; on any thread
     * @throws Refusal of kind FAILED when that can't be done
     */
    void open(Consumer<ViewEvent> events) throws Refusal;

    /** Takes all of it as spoilt: its size may be another, and nothing that was drawn counts. */
    void spoilt();

    /** Shows this moment; returns false when there is nobody to see it any more. */
    boolean show(Board board, Keyboard keyboard, long nowNanos);

    /** Gives it back as it was. Does nothing when it was never opened. */
    @Override
    void close();
}
