package ramback.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import ramback.backing.BackingIoException.Operation;
import ramback.clock.Agent;
import ramback.clock.Signal;
import ramback.device.DeviceSession;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.power.DrainBudget;
import ramback.trace.Trace;
import ramback.writeback.Faults;
import ramback.writeback.ModeSwitch;
import ramback.writeback.Population;
import ramback.writeback.Versions;
import ramback.writeback.WriteBehind;

/** What is said of how long saving takes, held against how long it takes, on disks of any steady rate. */
@ExtendWith(QuietLog.class)
class DrainPredictionTest {

    private static final int CHUNK = 4096;
    private static final int MIB = 1 << 20;
    private static final long SIZE_BYTES = 24L * MIB;
    private static final long JOURNAL_BYTES = 96L * MIB;
    private static final long RING_BYTES = 8L * MIB;
    private static final long HOUR_NANOS = 3_600_000_000_000L;
    private static final int OUTAGE_COUNT = 1000;
    private static final int OUTAGES_PER_DISK = 20;

    /** A disk that takes so many bytes a second, and as long for each sync, whatever it is asked. */
    private record Steady(Scheduler scheduler, double nanosPerByte, long syncNanos) implements SimDisk.Temper {

        @Override
        public void pass(Operation operation, long lengthBytes) {
            long nanos = operation == Operation.SYNC ? syncNanos : (long) (lengthBytes * nanosPerByte);
            scheduler.noteProgress();
            scheduler.sleepUntil(operation, scheduler.nanoTime() + 1 + nanos);
        }
    }

    /** Outages of one device on one disk. */
    private static final class Outages {

        private final TraceHash hash = new TraceHash();
        private final Scheduler scheduler;
        private final Random random;
        private final SharedSegment segment;
        private final WriteBehind writeBehind;
        private final Population population;
        private final ImageDevice device;
        private final ModeSwitch modes;
        private final LocalJournal journal;
        private boolean isOver;

        Outages(long seed, Path file) throws IOException {
            random = new Random(TraceHash.mix(seed));
            scheduler = new Scheduler(TraceHash.mix(seed + 1), hash);
            SimClock clock = new SimClock(scheduler);
            double nanosPerByte = 1e9 / (20e6 + random.nextInt(180_000_000));
            long syncNanos = 300_000 + random.nextInt(8_000_000);
            SimDisk image = disk(0, SIZE_BYTES, new Steady(scheduler, nanosPerByte, syncNanos));
            byte[][] formatted = formatted();
            SimDisk journalDisk = new SimDisk(
                    1, "journal", JOURNAL_BYTES, formatted, null, new Steady(scheduler, nanosPerByte, syncNanos));
            segment =
                    SharedSegment.create(file, new SegmentLayout(SIZE_BYTES, CHUNK, 1), false, new ImageIdentity(1, 2));
            journal = LocalJournal.open(
                    journalDisk,
                    JournalScan.ofRecords(
                            new SimDisk(1, "journal", JOURNAL_BYTES, formatted, null, SimDisk.Temper.PATIENT)),
                    7,
                    random::nextLong);
            Signal sealerSignal = new Signal(clock);
            Trace trace = new Trace(clock);
            Faults faults = new Faults(trace);
            Epochs epochs = new Epochs(ImageDevice.workerCount(1), clock, sealerSignal::raise, 1);
            Versions versions = new Versions(clock, CHUNK, RING_BYTES);
            DirtyCount dirty = new DirtyCount();
            ChunkStore store = new ChunkStore(segment, epochs, versions, dirty, trace);
            device = new ImageDevice("simulated", false, Mode.CHECKPOINT, segment, store, epochs, dirty, clock, trace);
            population = new Population(segment, store, image, clock, trace, faults);
            writeBehind = new WriteBehind(new WriteBehind.Plan(
                    store,
                    epochs,
                    dirty,
                    image,
                    journal,
                    versions,
                    clock,
                    trace,
                    faults,
                    HOUR_NANOS,
                    1L << 40,
                    device::wakeSessions,
                    sealerSignal));
            device.connect(population, writeBehind, writeBehind.throttle());
            modes = new ModeSwitch(device, writeBehind, journal, mode -> {}, HOUR_NANOS);
        }

        private static SimDisk disk(int number, long sizeBytes, SimDisk.Temper temper) {
            return new SimDisk(number, "image", sizeBytes, new byte[SimDisk.pageCount(sizeBytes)][], null, temper);
        }

        private static byte[][] formatted() throws IOException {
            SimDisk empty = SimDisk.plain("journal", JOURNAL_BYTES);
            LocalJournal.format(empty, Attachment.identity(CHUNK, SIZE_BYTES), 0);
            return empty.pages();
        }

        void run() throws IOException {
            try {
                runTasks();
            } finally {
                population.stop();
                writeBehind.stop();
                segment.close();
            }
        }

        private void runTasks() {
            writeBehind.agents().forEach(this::spawn);
            population.agents().forEach(this::spawn);
            scheduler.spawn("outages", this::live);
            scheduler.run();
        }

        private void spawn(Agent agent) {
            scheduler.spawn(agent.name(), () -> {
                while (!isOver) {
                    long deadlineNanos = agent.step();
                    if (deadlineNanos <= scheduler.nanoTime()) {
                        scheduler.noteProgress();
                    }
                    scheduler.pause(agent.name(), deadlineNanos);
                }
            });
        }

        private void live() {
            try {
                journal.fence();
                while (population.remainingBytes() > 0) {
                    scheduler.sleepUntil("loading", scheduler.nanoTime() + 1_000_000_000L);
                }
                writeBehind.measureJournal();
                scheduler.noteProgress();
                try (DeviceSession session = device.openSession()) {
                    for (int i = 0; i < OUTAGES_PER_DISK; i++) {
                        outage(session);
                    }
                }
            } catch (Exception e) {
                throw new AssertionError(e);
            }
            isOver = true;
            scheduler.stop();
        }

        private void outage(DeviceSession session) throws Exception {
            scheduler.sleepUntil("quiet", scheduler.nanoTime() + 20_000_000_000L);
            modes.switchTo(Mode.CHECKPOINT);
            int mib = 8 + random.nextInt(16);
            for (int i = 0; i < mib; i++) {
                write(session, (long) i * MIB);
            }
            long toSaveBytes = writeBehind.undurableChunkCount() * CHUNK;
            assertThat(toSaveBytes).isEqualTo((long) mib * MIB);
            double predicted =
                    DrainBudget.drainSeconds(toSaveBytes, writeBehind.throttle().typicalBytesPerSecond());
            long began = scheduler.nanoTime();
            writeBehind.holdApplying(true);
            modes.switchTo(Mode.WRITETHROUGH);
            assertThat(writeBehind.undurableChunkCount()).isZero();
            double took = (scheduler.nanoTime() - began) / 1e9;
            assertThat(predicted).as("of %d MiB", mib).isCloseTo(took, withinPercentage(20));
            writeBehind.holdApplying(false);
            assertThat(writeBehind.drain()).isTrue();
        }

        private void write(DeviceSession session, long offsetBytes) {
            MemorySegment staging = session.staging();
            int piece = (int) Math.min(64 << 10, staging.byteSize());
            for (int at = 0; at < MIB; at += piece) {
                for (int word = 0; word < piece; word += CHUNK) {
                    staging.set(ValueLayout.JAVA_LONG_UNALIGNED, word, random.nextLong());
                }
                assertThat(session.beginWrite(offsetBytes + at, piece, false, 1))
                        .isEqualTo(Outcome.DONE);
                assertThat(session.store(0, piece)).isEqualTo(piece);
                assertThat(session.endWrite()).isEqualTo(Outcome.DONE);
            }
        }
    }

    @Test
    void theTimeThatSavingTakesIsPredictedWithinAFifth() throws IOException {
        for (int disk = 0; disk < OUTAGE_COUNT / OUTAGES_PER_DISK; disk++) {
            new Outages(
                            disk,
                            Path.of(
                                    "/dev/shm",
                                    "ramback-drain-" + ProcessHandle.current().pid() + "-" + disk))
                    .run();
        }
    }
}
