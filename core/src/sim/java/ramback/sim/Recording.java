package ramback.sim;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Everything that a run did to its disks and everything it promised, in one order. */
final class Recording {

    /** Something that happened, and when. */
    sealed interface Event {

        /** When, in the simulation's time. */
        long nanos();
    }

    /** A write (or zeroing) began: from now on any of its sectors may be on the medium. */
    record Began(long nanos, Write write) implements Event {}

    /** A sync of a disk succeeded: what had been written when it began is durable. */
    record Synced(long nanos, int disk, List<Write> covered) implements Event {}

    /** A sync failed: of what it was for, some is durable, and the rest will never be unless it is written again. */
    record Dropped(long nanos, int disk, List<Write> kept, List<Write> lost) implements Event {}

    /** The replacement of the state file began (it is either of the two from now on) or ended. */
    record StateFile(long nanos, @Nullable String content, boolean isDone) implements Event {}

    /** Something was promised, from now on: the oracle's number of it. */
    record Promised(long nanos, int promise) implements Event {}

    private final List<Event> events = new ArrayList<>();
    private int writeCount;

    void add(Event event) {
        events.add(event);
    }

    int nextWriteNumber() {
        return writeCount++;
    }

    List<Event> events() {
        return events;
    }
}
