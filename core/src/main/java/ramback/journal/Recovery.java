package ramback.journal;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.mutant.Mutant;

/**
 * Brings an image to the state of a committed epoch, and empties the journal. Idempotent: whenever it is broken off, it can be
 * begun again. The image is written first and made durable; only then the journal's tail moves.
 *
 * <p>Takes, outside the heap and besides what the scan holds, 16 bytes an extent while it begins, then 8 and two stages of 32 to
 * 256 MiB.
 */
public final class Recovery {

    /** Told how far it is; called by the thread that recovers. */
    public interface Progress {
        /** Says how far it is; the total is the same in each call. */
        void at(long doneBytes, long totalBytes);
    }

    /**
     * What was done.
     *
     * @param epoch that the image now has
     * @param committedAt when it was committed; empty if that is not known
     * @param writtenBytes of data
     * @param zeroedBytes of zeroes
     */
    public record Outcome(long epoch, Optional<Instant> committedAt, long writtenBytes, long zeroedBytes) {}

    // One stage is read while the one before is written. Each pass reads the journal in its order: four passes where
    // memory allows.
    private static final int STAGE_BYTES_MIN = 32 << 20;
    private static final int STAGE_BYTES_MAX = 256 << 20;
    private static final int PASS_COUNT = 4;
    private static final long ZERO_BYTES_MAX = 1L << 30;

    private final JournalFile file;
    private final Slots slots;
    private final JournalScan scan;
    private final Superblock superblock;
    private final Backing image;
    private final Progress progress;

    /** The stage that is being written while the next one is read. */
    private @Nullable FutureTask<Long> writing;

    private long totalBytes;
    private long writtenBytes;
    private long zeroedBytes;

    private Recovery(Backing journal, JournalScan scan, Superblock superblock, Backing image, Progress progress) {
        this.file = new JournalFile(journal, superblock.ringBytes());
        this.slots = new Slots(file, superblock, scan.slot());
        this.scan = scan;
        this.superblock = superblock;
        this.image = image;
        this.progress = progress;
    }

    /**
     * Applies the newest versions up to an epoch.
     *
     * @param journal as it was when it was scanned, payload included
     * @param scan not closed
     * @param image of the size that the journal says
     * @param toEpoch from {@link JournalScan#retiredEpoch} to {@link JournalScan#lastEpoch}; newer epochs are dropped
     * @param acceptTorn must be true if the epoch is before {@link JournalScan#exactFromEpoch}: the image may then keep parts of
     *     newer epochs
     * @throws IllegalArgumentException if that is not so, before anything was changed
     */
    public static Outcome run(
            Backing journal, JournalScan scan, Backing image, long toEpoch, boolean acceptTorn, Progress progress)
            throws IOException {
        Superblock superblock = scan.superblock();
        if (superblock == null || !scan.verdict().mayBeRecovered() || !scan.payloadRead()) {
            throw new IllegalArgumentException("a journal that is " + scan.verdict() + " can't be recovered");
        }
        if (image.sizeBytes() != superblock.identity().imageBytes()) {
            throw new IllegalArgumentException(
                    "the image has " + image.sizeBytes() + " bytes, the journal is for one of "
                            + superblock.identity().imageBytes());
        }
        if (toEpoch < scan.retiredEpoch() || toEpoch > scan.lastEpoch()) {
            throw new IllegalArgumentException(
                    "epoch " + toEpoch + " is not within " + scan.retiredEpoch() + " to " + scan.lastEpoch());
        }
        if (toEpoch < scan.exactFromEpoch() && !acceptTorn) {
            throw new IllegalArgumentException("the image may hold parts of epochs up to " + scan.exactFromEpoch()
                    + ", so that epoch " + toEpoch + " can't be restored exactly");
        }
        return new Recovery(journal, scan, superblock, image, progress).run(toEpoch);
    }

    /**
     * Forgets all epochs and any suspension, for an image that is accepted as it is: after {@link JournalScan.Verdict#SUSPENDED} or
     * {@link JournalScan.Verdict#MEDIA_FAULT}.
     */
    public static void discard(Backing journal, JournalScan scan) throws IOException {
        discard(journal, scan, false);
    }

    /**
     * Forgets all epochs and says that the image may be torn, for a start whose RAM has everything although the journal has a
     * {@link JournalScan.Verdict#MEDIA_FAULT}: the first commit, of all that the image may lack, takes that back.
     */
    public static void suspend(Backing journal, JournalScan scan) throws IOException {
        discard(journal, scan, true);
    }

    private static void discard(Backing journal, JournalScan scan, boolean suspended) throws IOException {
        Superblock superblock = scan.superblock();
        if (superblock == null
                || !(scan.verdict().mayBeRecovered() || scan.verdict().mayBeContinued())) {
            throw new IllegalArgumentException("a journal that is " + scan.verdict() + " has nothing to discard");
        }
        JournalFile file = new JournalFile(journal, superblock.ringBytes());
        new Slots(file, superblock, scan.slot())
                .putTwice(
                        emptied(superblock, superblock.headPosition(), scan.highestEpoch(), Instant.EPOCH, suspended));
    }

    private Outcome run(long toEpoch) throws IOException {
        long epoch = superblock.tailEpoch();
        long position = superblock.tailPosition();
        Instant time = superblock.headEpoch() == epoch ? superblock.headTime() : Instant.EPOCH;
        int extentCount = 0;
        int last = scan.epochs().lastUpTo(toEpoch);
        if (last >= 0) {
            epoch = scan.epochs().epoch(last);
            position = scan.epochs().endPosition(last);
            time = scan.epochs().time(last);
            extentCount = scan.epochs().extentCount(last);
        }
        if (extentCount > 0) {
            // What was read may be in the kernel's memory alone, left by a process that was killed before it synced it.
            file.sync();
            if (epoch > slots.durable().applyEpoch()) {
                slots.put(slots.durable().withApplyEpoch(epoch));
            }
            try (NewestVersions versions = new NewestVersions(scan.index(), extentCount)) {
                apply(versions);
            }
        }
        if (!Mutant.RECOVER_NO_IMAGE_FSYNC.isOn()) {
            image.sync();
        }
        slots.putTwice(emptied(superblock, position, epoch, time, false));
        return new Outcome(
                epoch, time.equals(Instant.EPOCH) ? Optional.empty() : Optional.of(time), writtenBytes, zeroedBytes);
    }

    /** An empty log after an epoch. Without a salt, no record that is still in the ring belongs to it. */
    private static Superblock emptied(
            Superblock superblock, long position, long epoch, Instant time, boolean suspended) {
        List<Superblock.Salt> salts = List.of();
        if (Mutant.SALT_KEPT.isOn() && !superblock.salts().isEmpty()) {
            salts = List.of(superblock.salts().getLast());
        }
        return new Superblock(
                0,
                superblock.identity(),
                superblock.generation(),
                superblock.ringBytes(),
                !suspended,
                suspended,
                position,
                epoch,
                position,
                epoch,
                time,
                epoch,
                salts);
    }

    // ---------------------------------------------------------------------------------------------- apply

    private void apply(NewestVersions versions) throws IOException {
        int chunkBytes = superblock.identity().chunkBytes();
        VersionIndex index = scan.index();
        long dataBytes = 0;
        long jumpCount = 0;
        long position = -1;
        while (versions.advance()) {
            totalBytes += bytesOf(versions);
            int extent = versions.extent();
            if (!index.isZero(extent)) {
                dataBytes += versions.chunkCount() * chunkBytes;
                jumpCount += RecoveryStage.isNear(position, index.position(extent)) ? 0 : 1;
                position = index.position(extent);
            }
        }
        versions.rewind();
        progress.at(0, totalBytes);
        // Where the journal's order is the image's, a small stage does.
        long stageBytes = jumpCount * RecoveryStage.READ_BYTES_MAX <= dataBytes
                ? Math.min(dataBytes, STAGE_BYTES_MIN)
                : Math.min(dataBytes, Math.clamp(dataBytes / PASS_COUNT, STAGE_BYTES_MIN, STAGE_BYTES_MAX));
        stageBytes = Math.max(stageBytes, chunkBytes);
        boolean single = dataBytes <= stageBytes;
        try (RecoveryStage first = stage((int) stageBytes);
                RecoveryStage second = single ? first : stage((int) stageBytes)) {
            try {
                RecoveryStage stage = first;
                while (versions.advance()) {
                    if (index.isZero(versions.extent())) {
                        zero(versions.firstChunk() * chunkBytes, bytesOf(versions));
                    } else if (!stage.add(versions.firstChunk(), versions.chunkCount(), versions.extent())) {
                        stage.read();
                        awaitWriting();
                        writing = startWriting(stage);
                        stage = stage == first ? second : first;
                        stage.clear();
                        stage.add(versions.firstChunk(), versions.chunkCount(), versions.extent());
                    }
                }
                stage.read();
                awaitWriting();
                writtenBytes += stage.write();
            } finally {
                // No memory is given back that is still being written from.
                awaitWriting();
            }
        }
        progress.at(writtenBytes + zeroedBytes, totalBytes);
    }

    private RecoveryStage stage(int memoryBytes) {
        return new RecoveryStage(
                file, scan.index(), image, superblock.identity().chunkBytes(), superblock.tailPosition(), memoryBytes);
    }

    private static FutureTask<Long> startWriting(RecoveryStage stage) {
        FutureTask<Long> task = new FutureTask<>(stage::write);
        Thread.ofPlatform().daemon().name("recovery-writer").start(task);
        return task;
    }

    /** Waits until the last stage is in the image; throws what its writing threw, once. */
    private void awaitWriting() throws IOException {
        FutureTask<Long> task = writing;
        writing = null;
        boolean interrupted = false;
        while (task != null) {
            try {
                writtenBytes += task.get();
                task = null;
                progress.at(writtenBytes + zeroedBytes, totalBytes);
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (ExecutionException e) {
                throw failure(e.getCause());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static IOException failure(@Nullable Throwable cause) {
        return switch (cause) {
            case IOException e -> e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case null, default -> throw new IllegalStateException(cause);
        };
    }

    /** The length of the present run in the image, whose last chunk may be shorter than the others. */
    private long bytesOf(NewestVersions versions) {
        int chunkBytes = superblock.identity().chunkBytes();
        long offset = versions.firstChunk() * chunkBytes;
        return Math.min(versions.chunkCount() * chunkBytes, image.sizeBytes() - offset);
    }

    private void zero(long offset, long lengthBytes) throws IOException {
        for (long at = 0; at < lengthBytes; at += ZERO_BYTES_MAX) {
            long part = Math.min(ZERO_BYTES_MAX, lengthBytes - at);
            image.zero(offset + at, part);
            zeroedBytes += part;
            progress.at(writtenBytes + zeroedBytes, totalBytes);
        }
    }
}
