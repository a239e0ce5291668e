package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;
import static ramback.journal.JournalFormat.SECTOR_BYTES;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;

/**
 * What a file says when it is read as a journal. Reading never changes it, and whatever bytes it holds, the answer is a verdict;
 * an {@link IOException} is the medium's. Immutable.
 *
 * <p>Holds 32 bytes for each epoch and 24 for each extent, outside the heap beyond the first thousands, until it is closed: at most
 * 140 MiB for 16 GiB of chunks of 4 KiB, but as much as their descriptors take if most are scattered chunks of zeroes. After
 * {@link #close} what it says of the whole stays; an epoch can't be asked for any more, nor can the journal be recovered or opened
 * with it.
 */
public final class JournalScan implements AutoCloseable {

    /** The decision table of {@code docs/journal-format.md}, first match first. */
    public enum Verdict {
        /** No sign of a journal. */
        NOT_A_JOURNAL,
        /** Made by a newer program, whose format this one can't read. */
        NEWER_FORMAT,
        /** It was a journal, but no superblock is whole. */
        DAMAGED,
        /** The file is shorter than the journal in it. */
        TRUNCATED,
        /** The image was being changed without the journal: it may be torn. */
        SUSPENDED,
        /** The image has everything, and the last owner said so. */
        CLEAN,
        /** Epochs that were committed can't be read. */
        MEDIA_FAULT,
        /** There are epochs that the image may lack. */
        EPOCHS,
        /** The image has everything that was committed; the last owner did not stop cleanly. */
        EMPTY;

        /** Whether {@link LocalJournal#open} can go on with it. */
        public boolean mayBeContinued() {
            return this == SUSPENDED || this == EPOCHS || this == CLEAN || this == EMPTY;
        }

        /** Whether {@link Recovery} can bring the image to a committed epoch, the newest one or an older one. */
        public boolean mayBeRecovered() {
            return this == MEDIA_FAULT || this == EPOCHS || this == CLEAN || this == EMPTY;
        }
    }

    /** Takes the epochs of a log, oldest first. */
    interface EpochVisitor {
        void epoch(long epoch, long firstPosition, long endPosition);
    }

    private static final int WINDOW_BYTES = 4 << 20;

    /** For a look at records alone, which are up to a megabyte apart. */
    private static final int RECORD_WINDOW_BYTES = BLOCK_BYTES;

    private final Verdict verdict;
    private final int version;
    private final @Nullable Superblock superblock;
    private final int slot;
    private final EpochTable epochs;
    private final VersionIndex index;
    private final int epochCount;
    private final long firstEpoch;
    private final long lastEpoch;
    private final long usedBytes;
    private final long chunkCount;
    private final long dataBytes;
    private final long exactFromEpoch;
    private final Instant headTime;
    private final boolean payloadRead;
    private final @Nullable String fault;
    private final long faultOffsetBytes;
    private final long highestEpoch;
    private volatile boolean closed;

    private JournalScan(Verdict verdict, Header header, @Nullable LogWalk walk, boolean payloadRead) {
        this.verdict = verdict;
        this.version = header.version;
        this.superblock = header.newest;
        this.slot = header.newestSlot;
        this.epochs = walk == null ? new EpochTable() : walk.epochs();
        this.index = walk == null ? new VersionIndex() : walk.index();
        this.epochCount = epochs.count();
        int last = epochCount - 1;
        this.firstEpoch = epochCount == 0 ? -1 : epochs.epoch(0);
        this.lastEpoch = epochCount == 0 ? retiredEpoch() : epochs.epoch(last);
        this.usedBytes =
                superblock == null || epochCount == 0 ? 0 : epochs.endPosition(last) - superblock.tailPosition();
        this.chunkCount = walk == null ? 0 : walk.chunkCount();
        this.dataBytes = walk == null ? 0 : walk.dataBytes();
        this.headTime = epochCount > 0 ? epochs.time(last) : superblock == null ? Instant.EPOCH : superblock.headTime();
        this.payloadRead = payloadRead;
        LogWalk.Fault found = walk == null ? null : walk.fault();
        this.fault = found == null ? null : found.what();
        this.faultOffsetBytes = found == null || header.newest == null
                ? -1
                : JournalFormat.HEADER_BYTES + found.position() % header.newest.ringBytes();
        this.highestEpoch = walk == null ? lastEpoch : walk.highestEpoch();
        long applied = walk == null ? 0 : Math.max(walk.appliedEpoch(), walk.laterApplyEpoch());
        this.exactFromEpoch = superblock == null ? 0 : Math.max(superblock.applyEpoch(), applied);
    }

    /** Reads all of a journal: superblocks, records, payload, and the rest of the ring for epochs that were cut off. */
    public static JournalScan of(Backing journal) throws IOException {
        return scan(journal, true);
    }

    /**
     * Reads superblocks and records and trusts the payload, for a start whose RAM is still there. A damage in what it does not read
     * is not found.
     */
    public static JournalScan ofRecords(Backing journal) throws IOException {
        return scan(journal, false);
    }

    /**
     * Whether another attach finds room for its salt. Each attach after which epochs were committed needs one, for as long as none
     * of these is retired.
     */
    public boolean mayBeFenced() {
        return superblock == null || superblock.salts().size() < Superblock.SALT_COUNT_MAX;
    }

    private static JournalScan scan(Backing journal, boolean withPayload) throws IOException {
        Header header = Header.read(journal);
        if (header.isUnreadable() && !RingReader.isReadableAnywhere(journal)) {
            // Not a bad sector: the disk does not answer.
            throw Objects.requireNonNull(header.failure);
        }
        Superblock superblock = header.newest;
        if (superblock == null) {
            Verdict verdict = header.version > JournalFormat.VERSION
                    ? Verdict.NEWER_FORMAT
                    : header.magicSeen || header.isUnreadable() ? Verdict.DAMAGED : Verdict.NOT_A_JOURNAL;
            return new JournalScan(verdict, header, null, withPayload);
        }
        if (header.version > JournalFormat.VERSION) {
            return new JournalScan(Verdict.NEWER_FORMAT, header, null, withPayload);
        }
        if (journal.sizeBytes() - JournalFormat.HEADER_BYTES < superblock.ringBytes()) {
            return new JournalScan(Verdict.TRUNCATED, header, null, withPayload);
        }
        try (RingReader reader = new RingReader(
                journal,
                superblock.ringBytes(),
                withPayload ? (int) Math.min(WINDOW_BYTES, superblock.ringBytes()) : RECORD_WINDOW_BYTES)) {
            LogWalk walk = new LogWalk(reader, superblock, withPayload);
            // A clean log is empty: whoever goes on with it says first that it is not clean any more.
            boolean isRead = false;
            try {
                if (!superblock.suspended() && !superblock.clean()) {
                    walk.run();
                }
                isRead = true;
            } finally {
                if (!isRead) {
                    walk.close();
                }
            }
            return new JournalScan(judge(superblock, walk), header, walk, withPayload);
        }
    }

    private static Verdict judge(Superblock superblock, LogWalk walk) {
        if (walk.fault() != null) {
            return Verdict.MEDIA_FAULT;
        }
        if (superblock.suspended()) {
            return Verdict.SUSPENDED;
        }
        if (walk.epochs().count() > 0) {
            return Verdict.EPOCHS;
        }
        return superblock.clean() ? Verdict.CLEAN : Verdict.EMPTY;
    }

    /** The superblock that counts, and its slot. */
    record Placed(Superblock superblock, int slot) {}

    /** The superblock that counts in a file, whatever else it holds; null if none is whole. */
    static @Nullable Placed newestSuperblock(Backing journal) throws IOException {
        Header header = Header.read(journal);
        return header.newest == null ? null : new Placed(header.newest, header.newestSlot);
    }

    // ---------------------------------------------------------------------------------------------- header

    /** What the two slots say. */
    private static final class Header {
        private @Nullable Superblock newest;
        private int newestSlot;
        private int version;
        private boolean magicSeen;

        /** Whether any sector could be read, and what was said of one that could not. */
        private boolean sectorSeen;

        private @Nullable BackingIoException failure;

        static Header read(Backing journal) throws IOException {
            Header header = new Header();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment block = arena.allocate(BLOCK_BYTES, BLOCK_BYTES);
                for (int slot = 0; slot < JournalFormat.SLOT_COUNT; slot++) {
                    for (int at = 0; at < BLOCK_BYTES; at += SECTOR_BYTES) {
                        header.readSector(
                                journal, JournalFormat.slotOffset(slot) + at, block.asSlice(at, SECTOR_BYTES));
                        header.look(slot, block.asSlice(at, SECTOR_BYTES));
                    }
                }
            }
            return header;
        }

        /** Reads a sector; one that is not there or can't be read is zeroes. */
        private void readSector(Backing journal, long offsetBytes, MemorySegment into) throws IOException {
            into.fill((byte) 0);
            if (offsetBytes + into.byteSize() > journal.sizeBytes()) {
                return;
            }
            try {
                journal.read(offsetBytes, into);
                sectorSeen = true;
            } catch (BackingIoException e) {
                if (!e.isBadMedium()) {
                    throw e;
                }
                failure = e;
                into.fill((byte) 0);
            }
        }

        /** Whether nobody can say what the slots hold. */
        boolean isUnreadable() {
            return failure != null && !sectorSeen;
        }

        private void look(int slot, MemorySegment sector) {
            if (sector.get(JournalFormat.LONG, JournalFormat.MAGIC) != JournalFormat.MAGIC_SUPERBLOCK) {
                return;
            }
            magicSeen = true;
            if (!JournalFormat.isWhole(sector, JournalFormat.MAGIC_SUPERBLOCK)) {
                return;
            }
            version = Math.max(version, sector.get(JournalFormat.INT, JournalFormat.VERSION_NUMBER));
            Superblock superblock = Superblock.decode(sector);
            if (superblock != null && (newest == null || superblock.sequence() > newest.sequence())) {
                newest = superblock;
                newestSlot = slot;
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- answers

    /** What to make of it. */
    public Verdict verdict() {
        return verdict;
    }

    /** The format's version; 0 if that is not known. */
    public int version() {
        return version;
    }

    /** What it belongs to; empty when no superblock is whole. */
    public Optional<JournalIdentity> identity() {
        return Optional.ofNullable(superblock).map(Superblock::identity);
    }

    /** The generation of the last attach; 0 if there was none. */
    public long generation() {
        return superblock == null ? 0 : superblock.generation();
    }

    /**
     * Whether its newest superblock says that the image has everything, and no later format may say otherwise. That is so whatever
     * became of the rest of the file, as in {@link Verdict#TRUNCATED}.
     */
    public boolean saysClean() {
        return superblock != null && superblock.clean() && verdict != Verdict.NEWER_FORMAT;
    }

    /** How many bytes of epochs it can hold. */
    public long capacityBytes() {
        return superblock == null ? 0 : superblock.ringBytes();
    }

    /** How many bytes the epochs take that can be recovered. */
    public long usedBytes() {
        return usedBytes;
    }

    /** The newest epoch that the image has for certain, without recovery. */
    public long retiredEpoch() {
        return superblock == null ? 0 : superblock.tailEpoch();
    }

    /** The oldest epoch to recover; -1 if there is none. */
    public long firstEpoch() {
        return firstEpoch;
    }

    /** The newest epoch that is good: to recover, or {@link #retiredEpoch} if there is none. */
    public long lastEpoch() {
        return lastEpoch;
    }

    /** How many epochs there are to recover. */
    public int epochCount() {
        return epochCount;
    }

    /** The newest epoch that there is any sign of; greater than {@link #lastEpoch} only in a {@link Verdict#MEDIA_FAULT}. */
    public long highestEpoch() {
        return highestEpoch;
    }

    /**
     * The oldest epoch to which the image can be brought exactly: of newer ones it may hold parts already. Greater than
     * {@link #lastEpoch} only in a {@link Verdict#MEDIA_FAULT}.
     */
    public long exactFromEpoch() {
        return exactFromEpoch;
    }

    /** When {@link #lastEpoch} was committed; empty if that is not known. */
    public Optional<Instant> committedAt() {
        return headTime.equals(Instant.EPOCH) ? Optional.empty() : Optional.of(headTime);
    }

    /** When an epoch was committed; empty if it is not among those to recover. */
    public Optional<Instant> committedAt(long epoch) {
        int row = epochs().find(epoch);
        return row < 0 ? Optional.empty() : Optional.of(epochs.time(row));
    }

    /** How many versions of chunks there are to recover; a chunk counts once in each epoch that changed it. */
    public long versionCount() {
        return chunkCount;
    }

    /** How many bytes of data these versions hold, zeroes not counted. */
    public long dataBytes() {
        return dataBytes;
    }

    /** What is wrong, in a {@link Verdict#MEDIA_FAULT}. */
    public Optional<String> fault() {
        return Optional.ofNullable(fault);
    }

    /** Where in the file something is wrong; -1 if nothing is. */
    public long faultOffsetBytes() {
        return faultOffsetBytes;
    }

    // ---------------------------------------------------------------------------------------------- for the package

    @Nullable
    Superblock superblock() {
        return superblock;
    }

    /** The slot that holds {@link #superblock}. */
    int slot() {
        return slot;
    }

    Instant headTime() {
        return headTime;
    }

    void forEachEpoch(EpochVisitor visitor) {
        long firstPosition = superblock == null ? 0 : superblock.tailPosition();
        for (int row = 0; row < epochs().count(); row++) {
            visitor.epoch(epochs.epoch(row), firstPosition, epochs.endPosition(row));
            firstPosition = epochs.endPosition(row);
        }
    }

    /** Whether the payload was read and is good. */
    boolean payloadRead() {
        return payloadRead;
    }

    EpochTable epochs() {
        checkOpen();
        return epochs;
    }

    VersionIndex index() {
        checkOpen();
        return index;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the scan is closed");
        }
    }

    /** Gives the memory back that epochs and extents take. A second call does nothing. */
    @Override
    public void close() {
        closed = true;
        epochs.close();
        index.close();
    }
}
