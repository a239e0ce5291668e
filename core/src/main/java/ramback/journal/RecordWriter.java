package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;
import static ramback.journal.JournalFormat.PAYLOAD_BYTES_MAX;
import static ramback.journal.JournalFormat.RECORD_BYTES_MAX;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Makes records of versions and collects them, so that the disk sees long sequential writes. Versions of neighbours become one
 * extent and extents one record, however they arrive: what is written depends only on their order, so that the same versions
 * appended again after a failure are written again byte for byte, in place.
 *
 * <pre>
 *   buffer:  | record | record | descriptor (open), payload so far |      free      |
 *            ^ start position                                      ^ used
 * </pre>
 */
final class RecordWriter implements AutoCloseable {
    /** How many of the longest records are collected, if the ring is large enough for that. */
    private static final int BUFFER_RECORD_COUNT = 4;

    private static final int NONE = -1;

    private final JournalFile file;
    private final JournalIdentity identity;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer;
    /** All of the buffer, for checksums. */
    private final ByteBuffer view;

    private final CRC32C extentChecksum = new CRC32C();

    private long startPosition;
    private int usedBytes;

    /** Of what the closed records hold. */
    private EpochProgress closed;

    // The open record.
    private int openAt = NONE;
    private Descriptor descriptor;
    private int extentCount;
    private int payloadBytes;
    private long dataChunkCount;
    private long zeroChunkCount;
    private boolean lastIsZero;
    private long lastEnd;

    // What its descriptor says beside.
    private long salt;
    private long epoch;
    private long epochBefore;

    /** Checksums of the descriptors since the last rewind or barrier. */
    private final List<Integer> checksums = new ArrayList<>();

    /** Checksums of descriptors that are durable, with their payload, from the place of the last rewind on. */
    private List<Integer> known = List.of();

    /** Whether something was handed to the file that has not been synced. */
    private boolean unsynced;

    RecordWriter(JournalFile file, JournalIdentity identity, long position) {
        this.file = file;
        this.identity = identity;
        // No record is longer than the ring: there would be no room for it.
        this.buffer =
                arena.allocate(Math.min(file.ringBytes(), (long) BUFFER_RECORD_COUNT * RECORD_BYTES_MAX), BLOCK_BYTES);
        this.view = buffer.asByteBuffer();
        this.descriptor = new Descriptor(buffer);
        this.closed = EpochProgress.at(position);
        this.startPosition = position;
    }

    /**
     * Goes back to where the last barrier was, although all that was written since is durable: only the commit record is not. What
     * comes again as it was is not written again, for that record may be on the disk, and must not stand over bytes in flight.
     */
    void rewindDurable(EpochProgress to) {
        List<Integer> all = List.copyOf(checksums);
        rewind(to);
        known = all;
    }

    /** Forgets everything that is not in the file and goes on from a place that has been reached before. */
    void rewind(EpochProgress to) {
        checksums.clear();
        known = List.of();
        closed = to;
        startPosition = to.position();
        usedBytes = 0;
        openAt = NONE;
        unsynced = false;
    }

    /** Everything so far is durable, and will not be gone back behind. */
    void settle() {
        checksums.clear();
        known = List.of();
    }

    /** What the records so far hold, the open one not included. */
    EpochProgress progress() {
        return closed;
    }

    /** How many chunks were added to the epoch, those of the open record too. */
    long appendedChunks() {
        return closed.chunkCount() + (openAt == NONE ? 0 : dataChunkCount + zeroChunkCount);
    }

    /** Whether something was appended or written that has not been synced. */
    boolean hasUnsynced() {
        return unsynced || usedBytes > 0;
    }

    /** Says for which epoch records are from now on. */
    void epoch(long newSalt, long newEpoch, long newEpochBefore) {
        salt = newSalt;
        epoch = newEpoch;
        epochBefore = newEpochBefore;
    }

    /**
     * Adds the versions of a batch.
     *
     * @param limit position at which records must end
     * @throws IllegalStateException if there is no room
     */
    void add(VersionBatch batch, long limit) throws IOException {
        long payloadAt = 0;
        for (int i = 0; i < batch.extentCount(); i++) {
            if (batch.isZero(i)) {
                addZeroes(batch.firstChunk(i), batch.chunkCount(i), limit);
            } else {
                payloadAt += addData(batch.firstChunk(i), batch.chunkCount(i), batch.payload(), payloadAt, limit);
            }
        }
        if (payloadAt != batch.payload().byteSize()) {
            throw new IllegalArgumentException(
                    "a batch has " + batch.payload().byteSize() + " bytes of payload, its extents " + payloadAt);
        }
    }

    private void addZeroes(long firstChunk, long chunkCount, long limit) throws IOException {
        openExtent(firstChunk, chunkCount, true, limit);
        zeroChunkCount += chunkCount;
    }

    /** Adds an extent of data, in as many records as it needs; returns its length. */
    private long addData(long firstChunk, long chunkCount, MemorySegment payload, long payloadAt, long limit)
            throws IOException {
        long done = 0;
        while (done < chunkCount) {
            if (openAt != NONE && payloadBytes + identity.chunkBytes() > PAYLOAD_BYTES_MAX) {
                closeRecord();
            }
            int room = (openAt == NONE ? PAYLOAD_BYTES_MAX : PAYLOAD_BYTES_MAX - payloadBytes) / identity.chunkBytes();
            long count = Math.min(chunkCount - done, room);
            // A descriptor that is full of extents is followed by an empty one, with more room for payload than this.
            openExtent(firstChunk + done, count, false, limit);
            int lengthBytes = (int) (count * identity.chunkBytes());
            checkRoom(lengthBytes, limit);
            MemorySegment.copy(payload, payloadAt + done * identity.chunkBytes(), buffer, usedBytes, lengthBytes);
            extentChecksum.update(view.clear().position(usedBytes).limit(usedBytes + lengthBytes));
            usedBytes += lengthBytes;
            payloadBytes += lengthBytes;
            dataChunkCount += count;
            done += count;
        }
        return chunkCount * identity.chunkBytes();
    }

    /** Makes the chunks part of the last extent, or of a new one. */
    private void openExtent(long firstChunk, long chunkCount, boolean isZero, long limit) throws IOException {
        if (openAt != NONE && extentCount > 0 && lastIsZero == isZero && lastEnd == firstChunk) {
            descriptor.extend(extentCount - 1, chunkCount);
            lastEnd += chunkCount;
            return;
        }
        if (openAt != NONE && extentCount == VersionBatch.EXTENT_COUNT_MAX) {
            closeRecord();
        }
        if (openAt == NONE) {
            openRecord(limit);
        }
        endExtent();
        descriptor.extent(extentCount, firstChunk, chunkCount, isZero);
        extentCount++;
        lastIsZero = isZero;
        lastEnd = firstChunk + chunkCount;
        extentChecksum.reset();
    }

    private void endExtent() {
        if (extentCount > 0 && !lastIsZero) {
            descriptor.checksum(extentCount - 1, (int) extentChecksum.getValue());
        }
    }

    private void openRecord(long limit) throws IOException {
        if (buffer.byteSize() - usedBytes < RECORD_BYTES_MAX) {
            writeOut();
        }
        checkRoom(BLOCK_BYTES, limit);
        openAt = usedBytes;
        usedBytes += BLOCK_BYTES;
        descriptor = new Descriptor(buffer.asSlice(openAt, BLOCK_BYTES));
        descriptor.clear();
        extentCount = 0;
        payloadBytes = 0;
        dataChunkCount = 0;
        zeroChunkCount = 0;
    }

    private void checkRoom(long moreBytes, long limit) {
        if (startPosition + usedBytes + moreBytes > limit) {
            throw new IllegalStateException("journal full: " + moreBytes + " bytes more than the "
                    + (limit - startPosition - usedBytes) + " that are free; space must be reserved before it is used");
        }
    }

    private void closeRecord() {
        if (openAt == NONE) {
            return;
        }
        endExtent();
        descriptor.seal(
                identity.device(),
                salt,
                startPosition + openAt,
                epoch,
                epochBefore,
                closed.descriptorCount(),
                extentCount,
                payloadBytes);
        closed = closed.plus((long) BLOCK_BYTES + payloadBytes, dataChunkCount, zeroChunkCount, descriptor.checksum());
        int number = checksums.size();
        checksums.add(descriptor.checksum());
        if (number < known.size() && known.get(number) == descriptor.checksum()) {
            // It lies there already, byte for byte: a descriptor's checksum covers those of its payload.
            startPosition = closed.position();
            usedBytes = 0;
        } else {
            known = List.of();
        }
        openAt = NONE;
    }

    private void writeOut() throws IOException {
        if (usedBytes > 0) {
            unsynced = true;
            file.write(startPosition, buffer.asSlice(0, usedBytes));
            startPosition += usedBytes;
            usedBytes = 0;
        }
    }

    /** Hands everything that was added to the file; not durable before {@link #sync}. */
    void flush() throws IOException {
        closeRecord();
        writeOut();
    }

    /** Makes durable what was handed to the file, if anything. */
    void sync() throws IOException {
        if (unsynced) {
            file.sync();
            unsynced = false;
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
