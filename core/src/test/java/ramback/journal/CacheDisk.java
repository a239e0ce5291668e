package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.posix.Errno;

/**
 * A disk with a volatile cache, in memory: it knows each sector that was written since the last sync, so that a test can let any
 * of them survive a power cut. Its syncs can fail as a real one's do: once, with what was to be synced lost.
 */
final class CacheDisk implements Backing {
    static final int SECTOR_BYTES = 512;

    /** What a disk of larger physical sectors may spoil as a whole. */
    static final int BLOCK_BYTES = 4096;

    /** A sector on its way, of the write with a number. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Pending(int sector, byte[] bytes, int write) {}

    private final Power power;
    private final byte[] durable;
    private final byte[] content;
    private final List<Pending> pending = new ArrayList<>();
    private int writeCount;
    private int syncCount;
    private int failingSync;
    private int failingWrite;
    private boolean failureDrops = true;
    private long unreadableFrom = -1;
    private long unreadableTo = -1;
    private int unreadableErrno;
    private int alignmentBytes = 1;
    private int readsLeft = Integer.MAX_VALUE;

    CacheDisk(int sizeBytes, Power power) {
        this(new byte[sizeBytes], power);
    }

    /** A disk that durably holds some bytes, which it keeps. */
    CacheDisk(byte[] bytes, Power power) {
        this.durable = bytes;
        this.content = bytes.clone();
        this.power = power;
    }

    // ---------------------------------------------------------------------------------------------- for the test

    /** Fails one sync, counted from 1. */
    void failSync(int number, boolean drops) {
        failingSync = number;
        failureDrops = drops;
    }

    /** Fails one write, counted from 1. */
    void failWrite(int number) {
        failingWrite = number;
    }

    int syncCount() {
        return syncCount;
    }

    int writeCount() {
        return writeCount;
    }

    /** Makes a range fail to be read, as a page cache says it. */
    void makeUnreadable(long from, long to) {
        makeUnreadable(from, to, Errno.EIO);
    }

    /** Makes a range fail to be read. */
    void makeUnreadable(long from, long to, int errno) {
        unreadableFrom = from;
        unreadableTo = to;
        unreadableErrno = errno;
    }

    /** Makes it one that reads only whole units, and fails in one with anything that can't be read in it. */
    CacheDisk alignedTo(int bytes) {
        alignmentBytes = bytes;
        return this;
    }

    /** Lets nothing be read any more after some reads. */
    void goAwayAfterReads(int count) {
        readsLeft = count;
    }

    byte[] content() {
        return content.clone();
    }

    /** How many sectors were written since the last sync. */
    int pendingCount() {
        return pending.size();
    }

    /** What a power cut leaves if only some of the unsynced sectors reached the medium. */
    byte[] survivors(Survival survival, Random random) {
        byte[] bytes = durable.clone();
        int chosen = pending.isEmpty() ? 0 : random.nextInt(pending.size());
        int chosenWrite = pending.isEmpty() ? 0 : pending.get(chosen).write();
        for (int i = 0; i < pending.size(); i++) {
            Pending sector = pending.get(i);
            boolean survives = switch (survival) {
                case NONE -> false;
                case ALL -> true;
                case ONE_SECTOR_MISSING -> i != chosen;
                case ONE_SECTOR_ONLY -> i == chosen;
                case ONE_WRITE_MISSING -> sector.write() != chosenWrite;
                case ONE_WRITE_ONLY -> sector.write() == chosenWrite;
                case LAST_WRITE_ONLY -> sector.write() == writeCount;
                case UP_TO_ONE -> i <= chosen;
                case FROM_ONE_ON -> i >= chosen;
                case SOME -> random.nextBoolean();
                case FEW -> random.nextInt(8) == 0;
                case MOST, GARBAGE_BLOCK -> random.nextInt(8) != 0;
            };
            if (survives) {
                System.arraycopy(sector.bytes(), 0, bytes, sector.sector() * SECTOR_BYTES, sector.bytes().length);
            }
        }
        if (survival == Survival.GARBAGE_BLOCK && !pending.isEmpty()) {
            int block = pending.get(chosen).sector() * SECTOR_BYTES / BLOCK_BYTES * BLOCK_BYTES;
            for (int at = block; at < Math.min(bytes.length, block + BLOCK_BYTES); at++) {
                bytes[at] = (byte) random.nextInt();
            }
        }
        return bytes;
    }

    /** Which of the unsynced sectors survive a power cut. */
    enum Survival {
        NONE,
        ALL,
        ONE_SECTOR_MISSING,
        ONE_SECTOR_ONLY,
        ONE_WRITE_MISSING,
        ONE_WRITE_ONLY,
        LAST_WRITE_ONLY,
        UP_TO_ONE,
        FROM_ONE_ON,
        SOME,
        FEW,
        MOST,
        /** One block that was being written holds nothing that anybody wrote. */
        GARBAGE_BLOCK
    }

    // ---------------------------------------------------------------------------------------------- the disk

    @Override
    public String uri() {
        return "test:";
    }

    @Override
    public long sizeBytes() {
        return content.length;
    }

    @Override
    public int alignmentBytes() {
        return alignmentBytes;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        Objects.checkFromIndexSize(offsetBytes, into.byteSize(), content.length);
        if (readsLeft-- <= 0) {
            makeUnreadable(0, content.length);
        }
        long from = offsetBytes / alignmentBytes * alignmentBytes;
        long to = (offsetBytes + into.byteSize() + alignmentBytes - 1) / alignmentBytes * alignmentBytes;
        if (from < unreadableTo && to > unreadableFrom) {
            throw failure(BackingIoException.Operation.READ, offsetBytes, into.byteSize(), unreadableErrno);
        }
        MemorySegment.copy(content, (int) offsetBytes, into, JAVA_BYTE, 0, (int) into.byteSize());
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        Objects.checkFromIndexSize(offsetBytes, from.byteSize(), content.length);
        power.step();
        if (++writeCount == failingWrite) {
            throw failure(BackingIoException.Operation.WRITE, offsetBytes, from.byteSize(), Errno.EIO);
        }
        MemorySegment.copy(from, JAVA_BYTE, 0, content, (int) offsetBytes, (int) from.byteSize());
        remember(offsetBytes, from.byteSize());
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        Objects.checkFromIndexSize(offsetBytes, lengthBytes, content.length);
        power.step();
        writeCount++;
        Arrays.fill(content, (int) offsetBytes, (int) (offsetBytes + lengthBytes), (byte) 0);
        remember(offsetBytes, lengthBytes);
    }

    private void remember(long offsetBytes, long lengthBytes) {
        int last = (int) ((offsetBytes + lengthBytes - 1) / SECTOR_BYTES);
        for (int sector = (int) (offsetBytes / SECTOR_BYTES); sector <= last; sector++) {
            int from = sector * SECTOR_BYTES;
            pending.add(new Pending(
                    sector,
                    Arrays.copyOfRange(content, from, Math.min(content.length, from + SECTOR_BYTES)),
                    writeCount));
        }
    }

    @Override
    public void sync() throws IOException {
        power.step();
        if (++syncCount == failingSync) {
            if (failureDrops) {
                System.arraycopy(durable, 0, content, 0, content.length);
                pending.clear();
            }
            throw failure(BackingIoException.Operation.SYNC, 0, 0, Errno.EIO);
        }
        for (Pending sector : pending) {
            System.arraycopy(sector.bytes(), 0, durable, sector.sector() * SECTOR_BYTES, sector.bytes().length);
        }
        pending.clear();
    }

    private BackingIoException failure(BackingIoException.Operation operation, long offset, long length, int errno) {
        return new BackingIoException(
                operation, uri(), offset, length, errno, "injected (" + Errno.name(errno) + ")", null);
    }

    @Override
    public long nextDataOffset(long fromBytes) {
        return fromBytes;
    }

    @Override
    public long nextHoleOffset(long fromBytes) {
        return content.length;
    }

    @Override
    public void close() {
        // Nothing is open.
    }
}
