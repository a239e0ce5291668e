package ramback.sim;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.device.DeviceSession;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.image.ImageDevice;

/**
 * One client of a simulated device, with the two threads of a real one: its requests are drawn from a seed, several under way at
 * once; reads are held against the history at once, changes are noted in it.
 */
final class SimClient {

    private static final int SECTOR = History.SECTOR_BYTES;
    private static final int UNDER_WAY_MAX = 6;
    private static final int PAYLOAD_SECTORS_MAX = 200;
    private static final int TRIES = 20;

    private enum Kind {
        READ,
        WRITE,
        ZERO,
        TRIM,
        FLUSH
    }

    /** A request under way. */
    private record Pending(
            Kind kind,
            int firstSector,
            int endSector,
            boolean isForced,
            int sinceTick,
            int modeChange,
            History.@Nullable Request change) {}

    private final String name;
    private final Scheduler scheduler;
    private final ImageDevice device;
    private final History history;
    private final World world;
    private final DeviceSession session;
    private final Random random;
    private final int requestCount;
    private final long thinkNanos;
    private final int sectorCount;
    private final int chunkSectors;
    private final Map<Long, Pending> underWay = new HashMap<>();
    private final MemorySegment buffer = Arena.ofAuto().allocate(PAYLOAD_SECTORS_MAX * (long) SECTOR);
    private long nextToken;
    private boolean isOver;

    SimClient(
            String name,
            World world,
            ImageDevice device,
            DeviceSession session,
            long seed,
            int requestCount,
            long thinkNanos) {
        this.name = name;
        this.world = world;
        this.scheduler = world.scheduler();
        this.history = world.history();
        this.device = device;
        this.session = session;
        this.random = new Random(seed);
        this.requestCount = requestCount;
        this.thinkNanos = thinkNanos;
        this.sectorCount = (int) (device.sizeBytes() / SECTOR);
        this.chunkSectors = device.chunkBytes() / SECTOR;
    }

    void start() {
        scheduler.spawn(name, this::issueAll);
        scheduler.spawn(name + "-replies", this::collect);
    }

    boolean isOver() {
        return isOver;
    }

    // ------------------------------------------------------------------------------------------------ issuing

    private void issueAll() {
        for (int i = 0; i < requestCount; i++) {
            if (random.nextInt(4) != 0) {
                scheduler.sleepUntil("thinking", scheduler.nanoTime() + (long) (thinkNanos * 2 * random.nextDouble()));
            }
            awaitFewerThan(1 + random.nextInt(UNDER_WAY_MAX));
            issueOne();
        }
        awaitFewerThan(1);
        isOver = true;
        session.close();
        session.release();
        scheduler.noteProgress();
    }

    private void awaitFewerThan(int count) {
        while (underWay.size() >= count) {
            scheduler.pause(name, Clock.NEVER);
        }
    }

    private void issueOne() {
        int dice = random.nextInt(100);
        if (dice < 10) {
            flush();
        } else if (dice < 20) {
            issueRange(Kind.READ, false);
        } else if (dice < 27) {
            issueRange(Kind.TRIM, random.nextInt(8) == 0);
        } else if (dice < 35) {
            issueRange(Kind.ZERO, random.nextInt(8) == 0);
        } else {
            issueRange(Kind.WRITE, random.nextInt(10) == 0);
        }
    }

    private void flush() {
        long token = nextToken++;
        Pending pending = new Pending(Kind.FLUSH, 0, 0, false, history.nowTick(), world.modeChangeCount(), null);
        underWay.put(token, pending);
        scheduler.noteProgress();
        finishUnlessDeferred(token, session.flush(token));
    }

    private void issueRange(Kind kind, boolean isForced) {
        for (int i = 0; i < TRIES; i++) {
            int length = drawLength(kind);
            int first = drawFirst(length);
            if (history.claim(first, first + length)) {
                scheduler.noteProgress();
                issue(kind, first, first + length, isForced);
                return;
            }
        }
    }

    private int drawLength(Kind kind) {
        int dice = random.nextInt(10);
        int length;
        if (dice < 3) {
            length = 1 + random.nextInt(chunkSectors);
        } else if (dice < 6) {
            length = chunkSectors;
        } else if (dice < 9) {
            length = chunkSectors * (1 + random.nextInt(8));
        } else {
            length = 1 + random.nextInt(PAYLOAD_SECTORS_MAX);
        }
        boolean isLong = (kind == Kind.ZERO || kind == Kind.TRIM) && random.nextInt(12) == 0;
        int most = isLong ? sectorCount / 2 : PAYLOAD_SECTORS_MAX;
        return Math.min(Math.min(sectorCount, most), isLong ? length * 20 : length);
    }

    private int drawFirst(int length) {
        int first = random.nextInt(sectorCount - length + 1);
        if (random.nextInt(3) == 0) {
            // A few chunks are hot, so that sealed versions are overwritten before they are captured.
            first = Math.min(first, random.nextInt(Math.min(sectorCount - length + 1, 8 * chunkSectors)));
        }
        return random.nextInt(4) == 0 ? first : first / chunkSectors * chunkSectors;
    }

    private void issue(Kind kind, int first, int end, boolean isForced) {
        long token = nextToken++;
        long offset = (long) first * SECTOR;
        int length = (end - first) * SECTOR;
        long nanos = scheduler.nanoTime();
        History.Request change = switch (kind) {
            case WRITE -> history.issue(first, end, 0, 0, false, nanos);
            case ZERO -> history.issue(first, end, first, end, true, nanos);
            case TRIM -> history.issue(first, end, wholeFrom(first), wholeEnd(end), true, nanos);
            case READ, FLUSH -> null;
        };
        underWay.put(
                token, new Pending(kind, first, end, isForced, history.nowTick(), world.modeChangeCount(), change));
        Outcome outcome = switch (kind) {
            case READ -> session.prepareRead(offset, length, token);
            case WRITE -> write(offset, length, isForced, token, change);
            case ZERO ->
                device.detectsZeroes() && length <= PAYLOAD_SECTORS_MAX * SECTOR
                        ? write(offset, length, isForced, token, null)
                        : session.zero(offset, length, random.nextInt(4) != 0, isForced, token);
            case TRIM -> session.trim(offset, length, isForced, token);
            case FLUSH -> throw new IllegalStateException();
        };
        finishUnlessDeferred(token, outcome);
    }

    private int wholeFrom(int first) {
        return (first + chunkSectors - 1) / chunkSectors * chunkSectors;
    }

    private int wholeEnd(int end) {
        return end == sectorCount ? end : Math.max(end / chunkSectors * chunkSectors, 0);
    }

    /** Without a change what is written is zeroes. */
    private Outcome write(long offset, int length, boolean isForced, long token, History.@Nullable Request change) {
        Outcome begun = session.beginWrite(offset, length, isForced, token);
        if (begun != Outcome.DONE) {
            return begun;
        }
        MemorySegment staging = session.staging();
        for (int at = 0; at < length; at += SECTOR) {
            if (change == null) {
                staging.asSlice(at, SECTOR).fill((byte) 0);
            } else {
                Stamp.write(staging, at, change.number, (int) (offset / SECTOR) + at / SECTOR);
            }
        }
        int taken = session.store(0, length);
        if (taken != length) {
            throw new AssertionError("of a whole request of " + length + " bytes only " + taken + " were taken");
        }
        return session.endWrite();
    }

    // --------------------------------------------------------------------------------------------- finishing

    private void collect() {
        for (long token = session.awaitDeferred(); token != DeviceSession.CLOSED; token = session.awaitDeferred()) {
            finish(token, session.deferredOutcome());
        }
        session.release();
    }

    private void finishUnlessDeferred(long token, Outcome outcome) {
        if (outcome != Outcome.DEFERRED) {
            finish(token, outcome);
        }
    }

    private void finish(long token, Outcome outcome) {
        Pending pending = underWay.remove(token);
        if (pending == null) {
            throw new AssertionError("token " + token + " came back with " + outcome + " and was not under way");
        }
        world.hash().add(token);
        world.hash().add(outcome.ordinal());
        scheduler.noteProgress();
        switch (outcome) {
            case DONE -> done(pending);
            case IO_ERROR, NO_SPACE -> world.noteFailedRequest();
            case DEFERRED, READ_ONLY, INVALID, SHUTTING_DOWN ->
                throw new AssertionError(pending + " was answered " + outcome);
        }
        history.unclaim(pending.firstSector, pending.endSector);
    }

    private void done(Pending pending) {
        long nanos = scheduler.nanoTime();
        History.Request change = pending.change;
        if (change != null) {
            history.answer(change, nanos);
        }
        if (pending.kind == Kind.READ) {
            compare(pending);
        }
        Mode mode = device.mode();
        if (pending.modeChange != world.modeChangeCount()) {
            // The mode was switched while it was under way: which promise it got only the switch itself says.
            return;
        }
        if (pending.kind == Kind.FLUSH && mode.flushesWait()) {
            history.promiseAllBefore(pending.sinceTick, nanos);
        } else if (change != null && (mode.writesWait() || (pending.isForced && mode.flushesWait()))) {
            history.promiseOne(change, nanos);
        }
    }

    private void compare(Pending read) {
        int length = (read.endSector - read.firstSector) * SECTOR;
        byte[] sector = new byte[SECTOR];
        int pieceSectors = PAYLOAD_SECTORS_MAX;
        for (int at = read.firstSector; at < read.endSector; at += pieceSectors) {
            int count = Math.min(pieceSectors, read.endSector - at);
            session.copy((long) at * SECTOR, count * SECTOR, buffer, 0);
            for (int i = 0; i < count; i++) {
                MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, (long) i * SECTOR, sector, 0, SECTOR);
                if (!history.isNewest(at + i, sector, 0)) {
                    throw new AssertionError("a read of " + length + " bytes found in sector " + (at + i)
                            + " what request " + Stamp.read(sector, 0, at + i) + " wrote");
                }
            }
        }
    }
}
