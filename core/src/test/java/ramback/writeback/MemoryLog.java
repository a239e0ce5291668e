package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import ramback.journal.EpochLog;
import ramback.journal.VersionBatch;

/** A log in memory, for tests: keeps versions as a journal does, and can be made to fail. Safe for use by many threads. */
final class MemoryLog implements EpochLog {

    /** What happens before a call takes effect; it may fail the call by throwing. */
    interface Hook {
        void before(String call) throws IOException;
    }

    private record Epoch(long number, Map<Long, byte[]> versions, long bytes) {}

    private static final byte[] ZERO = {};

    private final int chunkBytes;
    private final long capacityBytes;
    private final Deque<Epoch> committed = new ArrayDeque<>();
    private final List<String> calls = new ArrayList<>();
    private Map<Long, byte[]> synced = new HashMap<>();
    private Map<Long, byte[]> appended = new HashMap<>();
    private long epochBytes;
    private long appendedBytes;
    private long usedBytes;
    private boolean suspended;
    private Hook hook = call -> {};

    MemoryLog(int chunkBytes, long capacityBytes) {
        this.chunkBytes = chunkBytes;
        this.capacityBytes = capacityBytes;
    }

    synchronized void before(Hook newHook) {
        hook = newHook;
    }

    private void call(String name) throws IOException {
        Hook before;
        synchronized (this) {
            before = hook;
            calls.add(name);
        }
        before.before(name);
    }

    synchronized List<String> calls() {
        return List.copyOf(calls);
    }

    /** Puts what a recovery would put over an image. */
    synchronized void recoverInto(byte[] image) {
        for (Epoch epoch : committed) {
            epoch.versions.forEach((chunk, bytes) -> {
                int at = (int) (chunk * chunkBytes);
                int length = Math.min(chunkBytes, image.length - at);
                System.arraycopy(bytes.length == 0 ? new byte[chunkBytes] : bytes, 0, image, at, length);
            });
        }
    }

    synchronized int epochCount() {
        return committed.size();
    }

    @Override
    public boolean keepsVersions() {
        return true;
    }

    @Override
    public void append(long epoch, VersionBatch batch) throws IOException {
        try {
            call("append");
        } catch (IOException e) {
            rewind();
            throw e;
        }
        synchronized (this) {
            appendedBytes += 4096;
            long at = 0;
            MemorySegment payload = batch.payload();
            for (int i = 0; i < batch.extentCount(); i++) {
                for (long chunk = batch.firstChunk(i); chunk < batch.firstChunk(i) + batch.chunkCount(i); chunk++) {
                    byte[] bytes = ZERO;
                    if (!batch.isZero(i)) {
                        bytes = payload.asSlice(at, chunkBytes).toArray(ValueLayout.JAVA_BYTE);
                        at += chunkBytes;
                    }
                    if (appended.put(chunk, bytes) != null || synced.containsKey(chunk)) {
                        throw new IllegalStateException("two versions of chunk " + chunk + " in epoch " + epoch);
                    }
                }
            }
            if (at != payload.byteSize()) {
                throw new IllegalStateException("payload of " + payload.byteSize() + " bytes, extents of " + at);
            }
            appendedBytes += at;
            if (usedBytes + epochBytes + appendedBytes > capacityBytes) {
                throw new IllegalStateException("journal full: " + usedBytes + " + " + epochBytes + " + "
                        + appendedBytes + " of " + capacityBytes);
            }
        }
    }

    private synchronized void rewind() {
        appended = new HashMap<>();
        appendedBytes = 0;
    }

    @Override
    public void barrier() throws IOException {
        try {
            call("barrier");
        } catch (IOException e) {
            rewind();
            throw e;
        }
        synchronized (this) {
            synced.putAll(appended);
            epochBytes += appendedBytes;
            rewind();
        }
    }

    @Override
    public void commit(long epoch, Instant time) throws IOException {
        if (!appendedIsEmpty()) {
            barrier();
        }
        call("commit");
        synchronized (this) {
            long expected = committed.isEmpty() ? epoch : committed.getLast().number + 1;
            if (epoch != expected) {
                throw new IllegalStateException("epoch " + epoch + " after " + (expected - 1));
            }
            epochBytes += 4096;
            committed.add(new Epoch(epoch, synced, epochBytes));
            usedBytes += epochBytes;
            if (usedBytes > capacityBytes) {
                throw new IllegalStateException("journal full: " + usedBytes + " of " + capacityBytes);
            }
            synced = new HashMap<>();
            epochBytes = 0;
            suspended = false;
        }
    }

    private synchronized boolean appendedIsEmpty() {
        return appended.isEmpty();
    }

    @Override
    public void fence() {}

    @Override
    public synchronized long tail() {
        return committed.isEmpty() ? -1 : committed.getFirst().number;
    }

    @Override
    public void truncate(long epoch) throws IOException {
        call("truncate");
        synchronized (this) {
            while (!committed.isEmpty() && committed.getFirst().number <= epoch) {
                usedBytes -= committed.removeFirst().bytes;
            }
        }
    }

    @Override
    public void suspend() throws IOException {
        call("suspend");
        synchronized (this) {
            committed.clear();
            usedBytes = 0;
            suspended = true;
        }
    }

    @Override
    public synchronized boolean isSuspended() {
        return suspended;
    }

    @Override
    public synchronized void markClean() {
        committed.clear();
        usedBytes = 0;
    }

    @Override
    public long capacityBytes() {
        return capacityBytes;
    }

    @Override
    public synchronized long usedBytes() {
        return usedBytes;
    }

    @Override
    public void close() {}
}
