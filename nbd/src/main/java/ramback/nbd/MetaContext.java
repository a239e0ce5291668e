package ramback.nbd;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import ramback.device.Extent;
import ramback.protocol.Protocol;

/** What a client can ask of ranges with BLOCK_STATUS ("Metadata querying"). */
enum MetaContext {
    /** {@value Protocol#CONTEXT_ALLOCATION}: what reads as zeroes is a hole. */
    ALLOCATION(Protocol.CONTEXT_ALLOCATION, Extent.ZERO, Protocol.STATE_HOLE | Protocol.STATE_ZERO),
    /** {@value Protocol#CONTEXT_DIRTY}: what the image lacks. */
    DIRTY(Protocol.CONTEXT_DIRTY, Extent.DIRTY, Protocol.STATE_DIRTY);

    private static final MetaContext[] ALL = values();
    /** How many there are. */
    static final int COUNT = ALL.length;

    private final String contextName;
    private final int state;
    private final int flags;

    MetaContext(String contextName, int state, int flags) {
        this.contextName = contextName;
        this.state = state;
        this.flags = flags;
    }

    /** The name, {@code namespace:leaf}. */
    String contextName() {
        return contextName;
    }

    /** The number by which replies name it: not 0, which LIST uses for all of them. */
    int id() {
        return ordinal() + 1;
    }

    /** Its bit in a set of contexts. */
    int bit() {
        return 1 << ordinal();
    }

    /** The state of an {@link Extent} that it tells. */
    int state() {
        return state;
    }

    /** The status of an extent. */
    int statusOf(long extent) {
        return (Extent.states(extent) & state) != 0 ? flags : 0;
    }

    /** The context with this ordinal. */
    static MetaContext at(int ordinal) {
        return ALL[ordinal];
    }

    /** The bit of the context with this id, or 0 when none has it. */
    static int bitOf(int id) {
        return id >= 1 && id <= COUNT ? 1 << (id - 1) : 0;
    }

    /**
     * What a client means: a context by its name; to look around, a whole namespace by its name and a colon. Unknown
     * ones mean nothing ("Metadata querying": a server ignores them).
     *
     * @param isLooking whether it only looks around: then no query means everything
     */
    static Set<MetaContext> matching(List<String> queries, boolean isLooking) {
        Set<MetaContext> matching = EnumSet.noneOf(MetaContext.class);
        for (MetaContext context : ALL) {
            String namespace = context.contextName.substring(0, context.contextName.indexOf(':') + 1);
            if (queries.contains(context.contextName)
                    || (isLooking && (queries.isEmpty() || queries.contains(namespace)))) {
                matching.add(context);
            }
        }
        return matching;
    }
}
