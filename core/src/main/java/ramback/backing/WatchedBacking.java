package ramback.backing;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/**
 * A disk whose calls are known while they are in progress, so that one that does not answer can be reported. A call can't be
 * interrupted, and is not: whoever made it waits for it, and it is taken for what it answers, however late.
 *
 * <p>Of more than {@link #CALL_COUNT_MAX} calls at once the last ones are not watched. Nothing is allocated for a call.
 */
public final class WatchedBacking implements Backing {

    /** As many calls are watched at once: more than all threads of a device make. */
    static final int CALL_COUNT_MAX = 32;

    private static final long FREE = 0;
    private static final long TAKEN = -1;
    private static final int NO_SLOT = -1;

    /**
     * A call that is in progress.
     *
     * @param call in words: {@code write of 4096 bytes at 0 of file:///srv/disk.img}
     * @param nanos for how long it has been
     */
    public record Silence(String call, long nanos) {}

    /** Somebody who is told of ranges. */
    public interface RangeVisitor {
        void visit(long offsetBytes, long lengthBytes);
    }

    private enum Call {
        READ("read"),
        WRITE("write"),
        ZERO("zeroing"),
        SYNC("sync"),
        SEEK("search for holes"),
        LOOK("look at its size and name");

        private final String noun;

        Call(String noun) {
            this.noun = noun;
        }
    }

    private final Backing backing;
    private final Clock clock;

    /** When the call of a slot began; its other fields are written before that, and looked at between two looks at it. */
    private final AtomicLongArray beganNanos = new AtomicLongArray(CALL_COUNT_MAX);

    private final Call[] calls = new Call[CALL_COUNT_MAX];
    private final AtomicLongArray offsets = new AtomicLongArray(CALL_COUNT_MAX);
    private final AtomicLongArray lengths = new AtomicLongArray(CALL_COUNT_MAX);

    /** Watches the calls of a disk; the disk is closed with this. */
    public WatchedBacking(Backing backing, Clock clock) {
        this.backing = backing;
        this.clock = clock;
        Arrays.fill(calls, Call.LOOK);
    }

    /** The call that has been in progress for longest, or null if there is none. */
    public @Nullable Silence longest() {
        int oldest = NO_SLOT;
        long since = Long.MAX_VALUE;
        for (int slot = 0; slot < CALL_COUNT_MAX; slot++) {
            long began = beganNanos.get(slot);
            if (began > FREE && began < since) {
                oldest = slot;
                since = began;
            }
        }
        if (oldest == NO_SLOT) {
            return null;
        }
        String text = describe(calls[oldest], offsets.get(oldest), lengths.get(oldest));
        // Answered meanwhile, and perhaps another one's by now: then it was not silent.
        return beganNanos.get(oldest) == since ? new Silence(text, clock.nanoTime() - since) : null;
    }

    /** Tells which ranges are being read, written or zeroed now: those of calls that did not end while they were looked at. */
    public void visitTransfers(RangeVisitor visitor) {
        for (int slot = 0; slot < CALL_COUNT_MAX; slot++) {
            long began = beganNanos.get(slot);
            if (began > FREE) {
                Call call = calls[slot];
                long offsetBytes = offsets.get(slot);
                long lengthBytes = lengths.get(slot);
                boolean isTransfer = call == Call.READ || call == Call.WRITE || call == Call.ZERO;
                if (isTransfer && beganNanos.get(slot) == began) {
                    visitor.visit(offsetBytes, lengthBytes);
                }
            }
        }
    }

    private String describe(Call call, long offsetBytes, long lengthBytes) {
        return switch (call) {
            case READ, WRITE, ZERO -> call.noun + " of " + lengthBytes + " bytes at " + offsetBytes + " of " + uri();
            case SYNC, LOOK -> call.noun + " of " + uri();
            case SEEK -> call.noun + " at " + offsetBytes + " of " + uri();
        };
    }

    private int begin(Call call, long offsetBytes, long lengthBytes) {
        for (int slot = 0; slot < CALL_COUNT_MAX; slot++) {
            if (beganNanos.get(slot) == FREE && beganNanos.compareAndSet(slot, FREE, TAKEN)) {
                calls[slot] = call;
                offsets.set(slot, offsetBytes);
                lengths.set(slot, lengthBytes);
                beganNanos.set(slot, clock.nanoTime());
                return slot;
            }
        }
        return NO_SLOT;
    }

    private void end(int slot) {
        if (slot != NO_SLOT) {
            beganNanos.set(slot, FREE);
        }
    }

    // ---------------------------------------------------------------------------------------------- calls

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        int slot = begin(Call.READ, offsetBytes, into.byteSize());
        try {
            backing.read(offsetBytes, into);
        } finally {
            end(slot);
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        int slot = begin(Call.WRITE, offsetBytes, from.byteSize());
        try {
            backing.write(offsetBytes, from);
        } finally {
            end(slot);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        int slot = begin(Call.ZERO, offsetBytes, lengthBytes);
        try {
            backing.zero(offsetBytes, lengthBytes);
        } finally {
            end(slot);
        }
    }

    @Override
    public void sync() throws IOException {
        int slot = begin(Call.SYNC, 0, 0);
        try {
            backing.sync();
        } finally {
            end(slot);
        }
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        int slot = begin(Call.SEEK, fromBytes, 0);
        try {
            return backing.nextDataOffset(fromBytes);
        } finally {
            end(slot);
        }
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        int slot = begin(Call.SEEK, fromBytes, 0);
        try {
            return backing.nextHoleOffset(fromBytes);
        } finally {
            end(slot);
        }
    }

    @Override
    public @Nullable Damage damage() throws IOException {
        int slot = begin(Call.LOOK, 0, 0);
        try {
            return backing.damage();
        } finally {
            end(slot);
        }
    }

    // ---------------------------------------------------------------------------------------------- what it is

    @Override
    public String uri() {
        return backing.uri();
    }

    @Override
    public long sizeBytes() {
        return backing.sizeBytes();
    }

    @Override
    public long intactBytes() {
        return backing.intactBytes();
    }

    @Override
    public long cutCount() {
        return backing.cutCount();
    }

    @Override
    public int alignmentBytes() {
        return backing.alignmentBytes();
    }

    @Override
    public boolean readOnly() {
        return backing.readOnly();
    }

    @Override
    public void close() throws IOException {
        backing.close();
    }
}
