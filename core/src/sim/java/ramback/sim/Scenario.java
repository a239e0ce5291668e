package ramback.sim;

import java.util.Random;
import ramback.device.Mode;

/**
 * A device, its disks and its clients, as a seed draws them.
 *
 * @param sizeBytes a multiple of a sector, not always of a chunk
 * @param stretchPages how the image looks at first: data and holes in stretches of this length
 * @param ringBytes memory for captured versions
 * @param journalBytes the journal's file, 0 for none
 * @param switchCount how often the mode is switched
 * @param lifeCount how often the device is started; in between it is stopped cleanly
 * @param imageFailShare of the image's operations that fail, while disks fail
 * @param calmNanos when disks stop failing
 * @param killCount how often the process is killed, at most
 * @param outageCount how often the line fails, or something else is heard of the UPS; then the power decides about the mode
 * @param lookGap about how many moments at which it might be killed there are between two at which is looked what it would leave
 */
record Scenario(
        long seed,
        long sizeBytes,
        int chunkBytes,
        int stretchPages,
        boolean isBlank,
        int clientCount,
        int requestCount,
        long thinkNanos,
        Mode mode,
        int switchCount,
        int lifeCount,
        long lagNanos,
        long intervalNanos,
        long limitBytes,
        long ringBytes,
        long journalBytes,
        double imageFailShare,
        double journalFailShare,
        double slowShare,
        double stuckShare,
        long calmNanos,
        int killCount,
        int outageCount,
        int lookGap) {

    private static final int KIB = 1024;
    /** A process that is killed has been busy. */
    private static final int REQUEST_COUNT_MIN = 20;

    /** Of disks that let loading last. */
    private static final double SLOW_SHARE = 0.4;

    private static final Mode[] NO_JOURNAL_MODES = {Mode.WRITETHROUGH, Mode.WRITEBACK, Mode.UNSAFE};
    private static final int JOURNAL_BYTES_MIN = (64 + 1024) * KIB;

    /** With a journal, and with every kind of fault that the seed draws. */
    static Scenario withJournal(long seed) {
        return draw(seed, true, Mode.values()[(int) Math.floorMod(TraceHash.mix(seed), 3L)]);
    }

    /** Without a journal, in a mode that keeps what was flushed. */
    static Scenario withoutJournal(long seed) {
        return draw(seed, false, (TraceHash.mix(seed) & 1) == 0 ? Mode.WRITEBACK : Mode.WRITETHROUGH);
    }

    /** With a journal or, now and then, without; the process is killed now and then, and only the image's disk fails. */
    static Scenario withKills(long seed) {
        Random random = new Random(TraceHash.mix(seed ^ 0x6b111));
        boolean hasJournal = random.nextInt(4) != 0;
        Mode mode = hasJournal
                ? Mode.values()[random.nextInt(3)]
                : NO_JOURNAL_MODES[random.nextInt(NO_JOURNAL_MODES.length)];
        Scenario drawn = draw(seed, hasJournal, mode);
        double slowShare = random.nextInt(3) == 0 ? SLOW_SHARE : drawn.slowShare;
        int requestCount = Math.max(drawn.requestCount, REQUEST_COUNT_MIN);
        return drawn.killed(requestCount, slowShare, 1 + random.nextInt(3), 60);
    }

    /** With a journal and a UPS, whose line fails now and then. */
    static Scenario withPower(long seed) {
        Random random = new Random(TraceHash.mix(seed ^ 0x0b1b));
        // What a device with a UPS begins in: nothing is known of it yet.
        return draw(seed, true, Mode.WRITEBACK).powered(2 + random.nextInt(8));
    }

    private Scenario powered(int newOutageCount) {
        return new Scenario(
                seed,
                sizeBytes,
                chunkBytes,
                stretchPages,
                isBlank,
                clientCount,
                requestCount,
                thinkNanos,
                mode,
                0,
                1,
                lagNanos,
                intervalNanos,
                limitBytes,
                ringBytes,
                journalBytes,
                imageFailShare,
                journalFailShare,
                slowShare,
                stuckShare,
                calmNanos,
                0,
                newOutageCount,
                0);
    }

    /** The same, but that fewer requests are made, and the process is killed. */
    Scenario killed(int newRequestCount, double newSlowShare, int newKillCount, int newLookGap) {
        return new Scenario(
                seed,
                sizeBytes,
                chunkBytes,
                stretchPages,
                isBlank,
                clientCount,
                newRequestCount,
                thinkNanos,
                mode,
                switchCount,
                lifeCount,
                lagNanos,
                intervalNanos,
                limitBytes,
                ringBytes,
                journalBytes,
                imageFailShare,
                0,
                newSlowShare,
                stuckShare,
                calmNanos,
                newKillCount,
                outageCount,
                newLookGap);
    }

    private static Scenario draw(long seed, boolean hasJournal, Mode mode) {
        Random random = new Random(TraceHash.mix(seed ^ 0x5ce4a210));
        int chunkBytes = (4 * KIB) << Math.max(0, random.nextInt(6) - 3);
        int chunkCount = 48 + random.nextInt(4) * 48;
        while ((long) chunkCount * chunkBytes > 200 * 4 * KIB) {
            chunkCount /= 2;
        }
        long sizeBytes = (long) chunkCount * chunkBytes - (random.nextInt(3) == 0 ? 512L * random.nextInt(8) : 0);
        boolean fails = random.nextInt(3) == 0;
        int lifeCount = hasJournal && random.nextInt(4) == 0 ? 2 + random.nextInt(2) : 1;
        int clientCount = 1 + random.nextInt(4);
        return new Scenario(
                seed,
                sizeBytes,
                chunkBytes,
                1 + random.nextInt(20),
                random.nextInt(4) == 0,
                clientCount,
                (60 + random.nextInt(160)) / clientCount / lifeCount,
                random.nextInt(3) == 0 ? 10_000_000L : 200_000L,
                mode,
                hasJournal && random.nextInt(2) == 0 ? 1 + random.nextInt(6) : 0,
                lifeCount,
                random.nextInt(3) == 0 ? 2_000_000L : 60_000_000L,
                random.nextInt(2) == 0 ? 20_000_000L : 200_000_000L,
                random.nextInt(2) == 0 ? 64L * chunkBytes : 1L << 30,
                (8L + random.nextInt(40)) * chunkBytes,
                hasJournal ? JOURNAL_BYTES_MIN + (random.nextInt(2) == 0 ? 0 : 512 * KIB) : 0,
                fails && random.nextInt(3) != 0 ? 0.02 * (1 + random.nextInt(10)) : 0,
                fails && random.nextInt(3) != 0 ? 0.02 * (1 + random.nextInt(10)) : 0,
                random.nextInt(2) == 0 ? 0.05 : 0,
                random.nextInt(6) == 0 ? 0.005 : 0,
                20_000_000_000L,
                0,
                0,
                0);
    }
}
