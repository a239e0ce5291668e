package ramback.remote;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.BackingOpenException;
import ramback.backing.Damage;
import ramback.clock.Clock;
import ramback.protocol.Protocol;

/**
 * An image in an export of an NBD server. Long ranges are split, and the parts are under way together, in any order; FLUSH is the
 * barrier. Where the server takes only whole blocks, a part of one is read, changed and written back.
 *
 * <p>Memory of a shared arena is sent and received in place. Holes are what the server calls {@code base:allocation} that reads as
 * zeroes.
 *
 * <p>A call fails when the server answers with an error, when the connection is lost before it answers, and when there is none for a
 * while. A read that was lost is made again; a write is not, because only who wrote it knows what it may be overtaken by. Connecting
 * again goes on by itself. See {@link Exchange} for what that means for the order and for {@link #sync}.
 */
public final class NbdBacking implements Backing {

    /** How many parts of one call are under way at once. */
    private static final int PART_COUNT_MAX = 8;

    /** The longest range whose holes are asked for at once: a short answer even where it is all small holes. */
    private static final long STATUS_BYTES_MAX = 256L << 20;

    private final RemoteUri uri;
    private final boolean readOnly;
    private final Patience patience;
    private final Clock clock;
    private final Exchange exchange;
    private final Terms terms;
    private final int blockBytes;

    /** Held shared by every call and exclusively by close. */
    private final StampedLock closeGate = new StampedLock();

    private volatile boolean closed;

    /** Held shared by whoever changes whole blocks and exclusively while a block is read, changed and written back. */
    private final StampedLock blocks = new StampedLock();

    private final Arena arena = Arena.ofShared();

    /** Guards {@link #block}; taken after {@link #blocks}, never before. */
    private final ReentrantLock blockLock = new ReentrantLock();

    private final MemorySegment block;

    /** Zeroes to send where the server can't make them. */
    private final MemorySegment zeroes;

    /** Guards {@link #extents}; held while the server is asked. */
    private final ReentrantLock statusLock = new ReentrantLock();

    private final Extents extents = new Extents();
    private boolean holesUnknown;

    /** The range of which {@link #extents} knows, or that is being asked about: who writes into it makes it stale. */
    private volatile long watchedBeginBytes;

    private volatile long watchedEndBytes;
    private volatile boolean extentsStale;

    private NbdBacking(RemoteUri uri, boolean readOnly, Patience patience, Clock clock, Exchange exchange) {
        this.uri = uri;
        this.readOnly = readOnly;
        this.patience = patience;
        this.clock = clock;
        this.exchange = exchange;
        this.terms = exchange.terms();
        this.blockBytes = terms.blockBytesMin();
        this.block = arena.allocate(blockBytes);
        this.zeroes = arena.allocate(readOnly || terms.takesZeroes() ? 1 : terms.dataBytesMax());
        this.holesUnknown = !terms.tellsHoles();
    }

    /**
     * Connects to a server and opens an export.
     *
     * @param readOnly never changes it, so that it may be read-only there, too
     * @throws BackingOpenException with what the operator can do about it
     */
    public static NbdBacking open(RemoteUri uri, boolean readOnly) throws BackingOpenException {
        return open(uri, readOnly, Patience.DEFAULT, Clock.SYSTEM);
    }

    static NbdBacking open(RemoteUri uri, boolean readOnly, Patience patience, Clock clock)
            throws BackingOpenException {
        return new NbdBacking(uri, readOnly, patience, clock, Exchange.open(uri, readOnly, patience, clock));
    }

    // ---------------------------------------------------------------------------------------------- what it is

    @Override
    public String uri() {
        return uri.toString();
    }

    /** Where it is. */
    public RemoteUri remoteUri() {
        return uri;
    }

    @Override
    public long sizeBytes() {
        return terms.sizeBytes();
    }

    @Override
    public int alignmentBytes() {
        return blockBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    // ---------------------------------------------------------------------------------------------- transfer

    /** A range of the export that is carried out as whole blocks; part of {@code memory} if there is any. */
    private interface WholeBlocks {
        void run(long offsetBytes, long lengthBytes, long memoryOffsetBytes) throws IOException;
    }

    /** A range within one block. */
    private interface PartOfBlock {
        void run(long blockOffsetBytes, int withinBytes, int lengthBytes, long memoryOffsetBytes) throws IOException;
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        if (into.isReadOnly()) {
            throw new IllegalArgumentException("the memory to read into is read-only");
        }
        checkMemory(offsetBytes, into);
        long stamp = enter();
        try {
            split(
                    offsetBytes,
                    into.byteSize(),
                    (at, length, memoryAt) -> readAgain(at, into.asSlice(memoryAt, length)),
                    (blockAt, within, length, memoryAt) -> {
                        blockLock.lock();
                        try {
                            readAgain(blockAt, block);
                            MemorySegment.copy(block, within, into, memoryAt, length);
                        } finally {
                            blockLock.unlock();
                        }
                    });
        } catch (LostException | ServerErrorException e) {
            throw failure(Operation.READ, offsetBytes, into.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        checkMemory(offsetBytes, from);
        long stamp = enterToChange();
        try {
            change(
                    offsetBytes,
                    from.byteSize(),
                    (at, length, memoryAt) -> transfer(Protocol.CMD_WRITE, at, length, from.asSlice(memoryAt, length)),
                    (within, length, memoryAt) -> MemorySegment.copy(from, memoryAt, block, within, length));
        } catch (LostException | ServerErrorException e) {
            throw failure(Operation.WRITE, offsetBytes, from.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        checkRange(offsetBytes, lengthBytes);
        long stamp = enterToChange();
        try {
            change(
                    offsetBytes,
                    lengthBytes,
                    (at, length, memoryAt) -> zeroBlocks(at, length),
                    (within, length, memoryAt) -> block.asSlice(within, length).fill((byte) 0));
        } catch (LostException | ServerErrorException e) {
            throw failure(Operation.ZERO, offsetBytes, lengthBytes, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    private void zeroBlocks(long offsetBytes, long lengthBytes) throws IOException {
        if (terms.takesZeroes()) {
            transfer(Protocol.CMD_WRITE_ZEROES, offsetBytes, lengthBytes, null);
            return;
        }
        for (long done = 0; done < lengthBytes; done += zeroes.byteSize()) {
            long partBytes = Math.min(zeroes.byteSize(), lengthBytes - done);
            transfer(Protocol.CMD_WRITE, offsetBytes + done, partBytes, zeroes.asSlice(0, partBytes));
        }
    }

    /** Puts new bytes into the block that has been read. */
    private interface NewBytes {
        void put(int withinBytes, int lengthBytes, long memoryOffsetBytes);
    }

    private void change(long offsetBytes, long lengthBytes, WholeBlocks whole, NewBytes part) throws IOException {
        boolean isAligned = ((offsetBytes | lengthBytes) & (blockBytes - 1)) == 0;
        noteChange(offsetBytes, lengthBytes);
        long stamp = isAligned ? blocks.readLock() : blocks.writeLock();
        try {
            split(offsetBytes, lengthBytes, whole, (blockAt, within, length, memoryAt) -> {
                blockLock.lock();
                try {
                    readAgain(blockAt, block);
                    part.put(within, length, memoryAt);
                    transfer(Protocol.CMD_WRITE, blockAt, blockBytes, block);
                } finally {
                    blockLock.unlock();
                }
            });
        } finally {
            blocks.unlock(stamp);
            noteChange(offsetBytes, lengthBytes);
        }
    }

    /** Parts a range at the borders of blocks: what lies in its first and last block, and whole blocks between. */
    private void split(long offsetBytes, long lengthBytes, WholeBlocks whole, PartOfBlock part) throws IOException {
        long done = 0;
        while (done < lengthBytes) {
            long at = offsetBytes + done;
            int within = (int) (at & (blockBytes - 1));
            long left = lengthBytes - done;
            if (within == 0 && left >= blockBytes) {
                long length = left & -blockBytes;
                whole.run(at, length, done);
                done += length;
            } else {
                int length = (int) Math.min(left, blockBytes - within);
                part.run(at - within, within, length, done);
                done += length;
            }
        }
    }

    /** Reads whole blocks, once more when the connection was lost and came back. */
    private void readAgain(long offsetBytes, MemorySegment into) throws IOException {
        long endNanos = clock.nanoTime() + patience.outageNanos();
        while (true) {
            try {
                transfer(Protocol.CMD_READ, offsetBytes, into.byteSize(), into);
                return;
            } catch (LostException e) {
                if (clock.nanoTime() >= endNanos) {
                    throw e;
                }
            }
        }
    }

    /** Carries out whole blocks in parts; returns, or throws what went wrong first, when nothing of it is under way any more. */
    private void transfer(int command, long offsetBytes, long lengthBytes, @Nullable MemorySegment memory)
            throws IOException {
        if (memory == null || memory.isAccessibleBy(exchange.thread())) {
            transferParts(command, offsetBytes, lengthBytes, memory);
            return;
        }
        // Memory of one thread: through a copy.
        try (Arena copies = Arena.ofShared()) {
            MemorySegment copy = copies.allocate(Math.min(lengthBytes, (long) PART_COUNT_MAX * terms.dataBytesMax()));
            for (long done = 0; done < lengthBytes; done += copy.byteSize()) {
                MemorySegment part = copy.asSlice(0, Math.min(copy.byteSize(), lengthBytes - done));
                if (command == Protocol.CMD_WRITE) {
                    MemorySegment.copy(memory, done, part, 0, part.byteSize());
                }
                transferParts(command, offsetBytes + done, part.byteSize(), part);
                if (command == Protocol.CMD_READ) {
                    MemorySegment.copy(part, 0, memory, done, part.byteSize());
                }
            }
        }
    }

    private void transferParts(int command, long offsetBytes, long lengthBytes, @Nullable MemorySegment memory)
            throws IOException {
        long partBytes = memory == null ? terms.zeroBytesMax() : terms.dataBytesMax();
        Request[] underWay = new Request[PART_COUNT_MAX];
        IOException failure = null;
        long begunBytes = 0;
        int first = 0;
        int count = 0;
        while (count > 0 || (failure == null && begunBytes < lengthBytes)) {
            while (failure == null && begunBytes < lengthBytes && count < PART_COUNT_MAX) {
                int length = (int) Math.min(partBytes, lengthBytes - begunBytes);
                Request request = null;
                try {
                    request = exchange.begin(
                            command,
                            offsetBytes + begunBytes,
                            length,
                            memory == null
                                    ? null
                                    : memory.asSlice(begunBytes, length).asByteBuffer(),
                            null,
                            count == 0);
                } catch (LostException e) {
                    failure = e;
                }
                if (request == null) {
                    break;
                }
                underWay[(first + count++) % PART_COUNT_MAX] = request;
                begunBytes += length;
            }
            if (count > 0) {
                Request oldest = underWay[first];
                Exchange.await(oldest);
                try {
                    Exchange.check(oldest);
                } catch (LostException | ServerErrorException e) {
                    failure = failure == null ? e : failure;
                }
                exchange.giveBack(oldest);
                first = (first + 1) % PART_COUNT_MAX;
                count--;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    // ---------------------------------------------------------------------------------------------- barrier

    @Override
    public void sync() throws IOException {
        long stamp = enter();
        try {
            if (!readOnly) {
                exchange.sync();
            }
        } catch (LostException | ServerErrorException e) {
            throw failure(Operation.SYNC, 0, 0, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    // ---------------------------------------------------------------------------------------------- holes

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        return nextOffset(fromBytes, false);
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        return nextOffset(fromBytes, true);
    }

    private long nextOffset(long fromBytes, boolean hole) throws IOException {
        checkRange(fromBytes, 0);
        long stamp = enter();
        statusLock.lock();
        try {
            if (extentsStale) {
                extents.begin(0);
            }
            long at = fromBytes;
            while (at < terms.sizeBytes() && !holesUnknown) {
                if (!extents.covers(at)) {
                    ask(at);
                    if (!extents.covers(at)) {
                        break; // it was not told after all
                    }
                }
                long found = extents.next(at, hole);
                if (found < extents.endBytes()) {
                    return Math.min(found, terms.sizeBytes());
                }
                at = found;
            }
            return hole || at >= terms.sizeBytes() ? terms.sizeBytes() : at;
        } catch (LostException | ServerErrorException e) {
            throw failure(Operation.SEEK, fromBytes, terms.sizeBytes() - fromBytes, e);
        } finally {
            statusLock.unlock();
            closeGate.unlockRead(stamp);
        }
    }

    private void ask(long atBytes) throws LostException, ServerErrorException {
        long endNanos = clock.nanoTime() + patience.outageNanos();
        while (true) {
            long from = atBytes & -blockBytes;
            long lengthBytes = Math.min(terms.sizeBytes() - from, STATUS_BYTES_MAX);
            watchedBeginBytes = from;
            watchedEndBytes = terms.sizeBytes(); // the server may tell more than it is asked
            extentsStale = false;
            extents.begin(from);
            Request request = Objects.requireNonNull(
                    exchange.begin(Protocol.CMD_BLOCK_STATUS, from, (int) lengthBytes, null, extents, true));
            Exchange.await(request);
            try {
                Exchange.check(request);
                watchedEndBytes = extents.endBytes();
                return;
            } catch (LostException e) {
                if (clock.nanoTime() >= endNanos) {
                    throw e;
                }
            } catch (ServerErrorException e) {
                if (e.errno() != Protocol.EINVAL && e.errno() != Protocol.ENOTSUP) {
                    throw e;
                }
                holesUnknown = true;
                return;
            } finally {
                exchange.giveBack(request);
            }
        }
    }

    /** A hole that was told may be none any more. Said before a change is sent and after it is answered. */
    private void noteChange(long offsetBytes, long lengthBytes) {
        if (offsetBytes < watchedEndBytes && watchedBeginBytes < offsetBytes + lengthBytes) {
            extentsStale = true;
        }
    }

    // ---------------------------------------------------------------------------------------------- end, checks

    /** An export has nothing that could be looked at but its server: without a connection nobody sees it. */
    @Override
    public @Nullable Damage damage() throws IOException {
        long stamp = enter();
        try {
            String outage = exchange.outage();
            if (outage != null) {
                throw new BackingIoException(Operation.LOOK, uri.toString(), 0, 0, 0, outage, null);
            }
            return null;
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public void close() throws IOException {
        long stamp = closeGate.writeLock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            try {
                exchange.close();
            } finally {
                arena.close();
            }
        } finally {
            closeGate.unlockWrite(stamp);
        }
    }

    private long enter() {
        long stamp = closeGate.readLock();
        if (closed) {
            closeGate.unlockRead(stamp);
            throw new IllegalStateException(uri + " is closed");
        }
        return stamp;
    }

    private long enterToChange() {
        if (readOnly) {
            throw new IllegalStateException(uri + " is open for reading only");
        }
        return enter();
    }

    private void checkRange(long offsetBytes, long lengthBytes) {
        Objects.checkFromIndexSize(offsetBytes, lengthBytes, terms.sizeBytes());
    }

    private void checkMemory(long offsetBytes, MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("the memory to transfer is on the heap");
        }
        checkRange(offsetBytes, memory.byteSize());
    }

    private BackingIoException failure(Operation operation, long offsetBytes, long lengthBytes, IOException e) {
        int errno = e instanceof ServerErrorException answered ? answered.errno() : 0;
        return new BackingIoException(
                operation, uri.toString(), offsetBytes, lengthBytes, errno, String.valueOf(e.getMessage()), e);
    }
}
