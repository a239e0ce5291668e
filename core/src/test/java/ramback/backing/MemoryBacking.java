package ramback.backing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingIoException.Operation;
import ramback.posix.Errno;

/**
 * A slow disk in memory, for tests. It remembers every call in the order in which the calls took effect, keeps what is durable
 * (as of the last successful sync) apart from what is written, and does what a test wants before a call takes effect:
 *
 * <ul>
 *   <li>{@link #before} lets a test wait, fail or look at each call, on the calling thread, with no lock held;
 *   <li>{@link #failCall} and {@link #failWhile} are the common failures;
 *   <li>{@link #durableContent} is what a power cut would leave (of the kind that loses all unsynced writes).
 * </ul>
 *
 * A new disk is one hole; a hole is a run of whole blocks of {@link #BLOCK_BYTES} that were never written, or zeroed.
 */
public final class MemoryBacking implements Backing {
    public static final int BLOCK_BYTES = 4096;

    /**
     * One call that reached the disk.
     *
     * @param number from 0, over all operations, in the order in which calls began
     * @param offsetBytes 0 for a sync
     * @param lengthBytes 0 for a sync and for a look for holes
     */
    public record Call(long number, Operation operation, long offsetBytes, long lengthBytes) {}

    /** What happens before a call takes effect: it may block, and fail the call by throwing. */
    public interface Hook {
        void before(Call call) throws IOException;
    }

    private final int alignmentBytes;
    private final byte[] content;
    private final byte[] durable;
    private final BitSet dataBlocks = new BitSet();
    private final List<Call> calls = new ArrayList<>();
    private final List<Hook> hooks = new ArrayList<>();
    private final BitSet unsyncedBlocks = new BitSet();
    private final Map<Operation, Integer> callCounts = new EnumMap<>(Operation.class);
    private long nextNumber;
    private int endBytes;
    private int intactBytes;
    private long cutCount;
    private @Nullable Damage damage;
    private boolean readOnly;
    private boolean closed;

    /** A disk of zeroes, all of it a hole. */
    public MemoryBacking(int sizeBytes) {
        this(sizeBytes, 1);
    }

    public MemoryBacking(int sizeBytes, int alignmentBytes) {
        if (sizeBytes < 1 || Integer.bitCount(alignmentBytes) != 1) {
            throw new IllegalArgumentException("size " + sizeBytes + ", alignment " + alignmentBytes);
        }
        this.content = new byte[sizeBytes];
        this.durable = new byte[sizeBytes];
        this.alignmentBytes = alignmentBytes;
        this.endBytes = sizeBytes;
        this.intactBytes = sizeBytes;
    }

    /** A disk that durably holds these bytes, all of them data. */
    public static MemoryBacking holding(byte[] bytes) {
        MemoryBacking backing = new MemoryBacking(bytes.length);
        System.arraycopy(bytes, 0, backing.content, 0, bytes.length);
        System.arraycopy(bytes, 0, backing.durable, 0, bytes.length);
        backing.dataBlocks.set(0, blockCount(bytes.length));
        return backing;
    }

    // ---------------------------------------------------------------------------------------------- for the test

    /** Adds a hook; hooks run in the order in which they were added. */
    public synchronized void before(Hook hook) {
        hooks.add(hook);
    }

    /** Fails the n-th call of an operation from now on, once, with an errno; 1 is the next. */
    public void failCall(Operation operation, int n, int errno) {
        if (n < 1) {
            throw new IllegalArgumentException("call " + n);
        }
        AtomicInteger callsUntil = new AtomicInteger(n);
        before(call -> {
            if (call.operation() == operation && callsUntil.decrementAndGet() == 0) {
                throw failure(call, errno);
            }
        });
    }

    /** Fails every call that the condition holds for, with an errno. */
    public void failWhile(Predicate<Call> condition, int errno) {
        before(call -> {
            if (condition.test(call)) {
                throw failure(call, errno);
            }
        });
    }

    /** Takes all hooks and failures away. */
    public synchronized void heal() {
        hooks.clear();
    }

    /** The calls that took effect, in that order; failed ones are not among them. */
    public synchronized List<Call> calls() {
        return List.copyOf(calls);
    }

    /** The calls of one operation that took effect, in that order. */
    public synchronized List<Call> calls(Operation operation) {
        return calls.stream().filter(call -> call.operation() == operation).toList();
    }

    /** How many calls of an operation began, failed ones too. */
    public synchronized int callCount(Operation operation) {
        return callCounts.getOrDefault(operation, 0);
    }

    public synchronized void forgetCalls() {
        calls.clear();
    }

    /** What a read would see. */
    public synchronized byte[] content() {
        return content.clone();
    }

    /** What was there at the last successful sync. */
    public synchronized byte[] durableContent() {
        return durable.clone();
    }

    /** Cuts the power: what was not synced is lost. */
    public synchronized void losePower() {
        System.arraycopy(durable, 0, content, 0, content.length);
        unsyncedBlocks.clear();
    }

    /** What a system does that reported a failed sync: it forgets what was not written, and will not try again. */
    public synchronized void dropUnsynced() {
        unsyncedBlocks.clear();
    }

    /** Cuts it behind so many bytes, as a truncated file: what lay there is gone, and nothing is taken until {@link #regrow}. */
    public synchronized void cut(int bytes) {
        endBytes = bytes;
        intactBytes = Math.min(intactBytes, bytes);
        cutCount++;
        Arrays.fill(content, bytes, content.length, (byte) 0);
        Arrays.fill(durable, bytes, durable.length, (byte) 0);
        dataBlocks.clear(blockCount(bytes), blockCount(content.length));
        unsyncedBlocks.clear(blockCount(bytes), blockCount(content.length));
    }

    /** Gives it its size back, with zeroes. */
    public synchronized void regrow() {
        endBytes = content.length;
    }

    /** Says what has become of it as a whole; null for nothing. */
    public synchronized void becomes(@Nullable Damage what) {
        damage = what;
    }

    private void checkWhole(Call call) throws BackingIoException {
        if (endBytes < content.length) {
            throw new BackingIoException(
                    call.operation(), uri(), call.offsetBytes(), call.lengthBytes(), 0, "cut to " + endBytes, null);
        }
    }

    public synchronized void makeReadOnly() {
        readOnly = true;
    }

    public synchronized boolean isClosed() {
        return closed;
    }

    private BackingIoException failure(Call call, int errno) {
        return new BackingIoException(
                call.operation(),
                uri(),
                call.offsetBytes(),
                call.lengthBytes(),
                errno,
                "injected (" + Errno.name(errno) + ")",
                null);
    }

    // ---------------------------------------------------------------------------------------------- the disk

    @Override
    public String uri() {
        return "memory:";
    }

    @Override
    public long sizeBytes() {
        return content.length;
    }

    @Override
    public @Nullable Damage damage() throws IOException {
        begin(Operation.LOOK, 0, 0);
        synchronized (this) {
            return endBytes < content.length ? new Damage(Damage.Kind.CUT, "cut to " + endBytes) : damage;
        }
    }

    @Override
    public synchronized long intactBytes() {
        return intactBytes;
    }

    @Override
    public synchronized long cutCount() {
        return cutCount;
    }

    @Override
    public int alignmentBytes() {
        return alignmentBytes;
    }

    @Override
    public synchronized boolean readOnly() {
        return readOnly;
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        checkMemory(into);
        if (into.isReadOnly()) {
            throw new IllegalArgumentException("the memory to read into is read-only");
        }
        Call call = begin(Operation.READ, offsetBytes, into.byteSize());
        synchronized (this) {
            takeEffect(call);
            if (offsetBytes + into.byteSize() > intactBytes) {
                throw new BackingIoException(
                        call.operation(), uri(), offsetBytes, into.byteSize(), 0, "cut off once, and lost", null);
            }
            MemorySegment.copy(content, (int) offsetBytes, into, JAVA_BYTE, 0, (int) into.byteSize());
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        checkMemory(from);
        checkWritable();
        Call call = begin(Operation.WRITE, offsetBytes, from.byteSize());
        synchronized (this) {
            checkWhole(call);
            takeEffect(call);
            MemorySegment.copy(from, JAVA_BYTE, 0, content, (int) offsetBytes, (int) from.byteSize());
            dataBlocks.set(block(offsetBytes), blockCount(offsetBytes + from.byteSize()));
            unsyncedBlocks.set(block(offsetBytes), blockCount(offsetBytes + from.byteSize()));
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        checkWritable();
        Call call = begin(Operation.ZERO, offsetBytes, lengthBytes);
        synchronized (this) {
            checkWhole(call);
            takeEffect(call);
            long end = offsetBytes + lengthBytes;
            Arrays.fill(content, (int) offsetBytes, (int) end, (byte) 0);
            unsyncedBlocks.set(block(offsetBytes), blockCount(end));
            int firstWhole = blockCount(offsetBytes);
            int endWhole = end == content.length ? blockCount(end) : block(end);
            if (endWhole > firstWhole) {
                dataBlocks.clear(firstWhole, endWhole);
            }
        }
    }

    @Override
    public void sync() throws IOException {
        Call call = begin(Operation.SYNC, 0, 0);
        synchronized (this) {
            checkWhole(call);
            takeEffect(call);
            unsyncedBlocks.stream().forEach(block -> {
                int from = block * BLOCK_BYTES;
                System.arraycopy(content, from, durable, from, Math.min(BLOCK_BYTES, content.length - from));
            });
            unsyncedBlocks.clear();
        }
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        begin(Operation.SEEK, fromBytes, 0);
        synchronized (this) {
            if (fromBytes == content.length) {
                return fromBytes;
            }
            int block = dataBlocks.nextSetBit(block(fromBytes));
            long found = block < 0 ? content.length : Math.max(fromBytes, (long) block * BLOCK_BYTES);
            return found < intactBytes ? found : Math.max(fromBytes, intactBytes);
        }
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        begin(Operation.SEEK, fromBytes, 0);
        synchronized (this) {
            int block = dataBlocks.nextClearBit(block(fromBytes));
            long found = Math.clamp((long) block * BLOCK_BYTES, fromBytes, content.length);
            return found < intactBytes ? found : content.length;
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
    }

    private Call begin(Operation operation, long offsetBytes, long lengthBytes) throws IOException {
        Objects.checkFromIndexSize(offsetBytes, lengthBytes, content.length);
        Call call;
        List<Hook> hooksNow;
        synchronized (this) {
            checkOpen();
            call = new Call(nextNumber++, operation, offsetBytes, lengthBytes);
            callCounts.merge(operation, 1, Integer::sum);
            hooksNow = List.copyOf(hooks);
        }
        for (Hook hook : hooksNow) {
            hook.before(call);
        }
        return call;
    }

    private void takeEffect(Call call) {
        checkOpen();
        calls.add(call);
    }

    private synchronized void checkOpen() {
        if (closed) {
            throw new IllegalStateException(uri() + " is closed");
        }
    }

    private void checkWritable() {
        if (readOnly()) {
            throw new IllegalStateException(uri() + " is open for reading only");
        }
    }

    private static void checkMemory(MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("the memory to transfer is on the heap");
        }
    }

    private static int block(long offsetBytes) {
        return (int) (offsetBytes / BLOCK_BYTES);
    }

    private static int blockCount(long bytes) {
        return (int) ((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
    }
}
