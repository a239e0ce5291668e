package ramback.image;

import org.jspecify.annotations.Nullable;

/** The demands of one session, first come first served. Guarded by the loader's lock. */
public final class DemandQueue {

    private @Nullable Demand head;
    private @Nullable Demand tail;

    /** Whether the loader has this queue in its round; the loader's. */
    public boolean inRound;

    /** An empty queue. */
    public DemandQueue() {}

    /** Adds a demand at the end. */
    public void add(Demand demand) {
        demand.next = null;
        Demand last = tail;
        if (last == null) {
            head = demand;
        } else {
            last.next = demand;
        }
        tail = demand;
    }

    /** Takes the first demand, or null. */
    public @Nullable Demand poll() {
        Demand first = head;
        if (first != null) {
            head = first.next;
            if (head == null) {
                tail = null;
            }
            first.next = null;
        }
        return first;
    }

    /** Returns whether there is none. */
    public boolean isEmpty() {
        return head == null;
    }
}
