package ramback.sim;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.sim.Oracle.Outcome;
import ramback.sim.Oracle.Restorer;
import ramback.sim.Oracle.Verdict;

/**
 * Spoils a journal as a medium does: a bit flips, a block becomes noise or zeroes, a write went to the wrong place. The recovery
 * must report that, or it must not matter. One loss is allowed, because nothing can tell it from a power failure in time: the
 * newest epoch, when it is its commit record that is gone.
 */
final class JournalRot implements CrashExplorer.Rot {

    private static final int HEADER_PAGES = 16;

    /** The first eight bytes of a commit record, and where it says its epoch (docs/journal-format.md). */
    private static final byte[] COMMIT_MAGIC = {'R', 'A', 'M', 'B', 'A', 'C', 'K', 'C'};

    private static final int COMMIT_EPOCH_AT = 56;

    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final Oracle oracle;
    private final long imageBytes;
    private final long journalBytes;

    JournalRot(Oracle oracle, long imageBytes, long journalBytes) {
        this.oracle = oracle;
        this.imageBytes = imageBytes;
        this.journalBytes = journalBytes;
    }

    @Override
    public @Nullable String spoilAndJudge(CrashImage whole, Verdict verdict, Random random, Restorer restorer) {
        CrashImage spoiled = whole.copy();
        byte[][] journal = spoiled.pages[CrashImage.JOURNAL];
        List<Integer> written = new ArrayList<>();
        for (int page = HEADER_PAGES; page < journal.length; page++) {
            if (!Write.isZero(journal[page])) {
                written.add(page);
            }
        }
        if (written.isEmpty() || verdict.outcome() != Outcome.RESTORED) {
            return null;
        }
        int page = written.get(random.nextInt(written.size()));
        byte[] before = journal[page];
        String how = spoil(journal, page, written, random);
        Verdict after;
        try {
            after = CrashExplorer.restore(restorer, imageBytes, journalBytes, spoiled, null);
        } catch (RuntimeException e) {
            return "RECOVERY: " + e + ", after " + how + " of journal page " + page;
        }
        if (after.outcome() == Outcome.MEDIA_FAULT) {
            return null;
        }
        boolean isNewestCommit = isCommitOf(before, verdict.epoch());
        String wrong = isNewestCommit
                ? oracle.judgeContent(after, spoiled.pages[CrashImage.IMAGE])
                : oracle.judge(after, spoiled.pages[CrashImage.IMAGE]);
        if (wrong == null && after.epoch() < verdict.epoch() && !isNewestCommit) {
            wrong = "SILENCE: epoch " + verdict.epoch() + " was lost without a word, " + after.epoch() + " restored";
        }
        return wrong == null ? null : wrong + " [" + after.text() + "], after " + how + " of journal page " + page;
    }

    private static String spoil(byte[][] journal, int page, List<Integer> written, Random random) {
        byte[] bytes = journal[page].clone();
        return switch (random.nextInt(4)) {
            case 0 -> {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                journal[page] = bytes;
                yield "a flipped bit";
            }
            case 1 -> {
                random.nextBytes(bytes);
                journal[page] = bytes;
                yield "noise instead";
            }
            case 2 -> {
                journal[page] = null;
                yield "zeroes instead";
            }
            default -> {
                journal[page] = journal[written.get(random.nextInt(written.size()))];
                yield "another page instead";
            }
        };
    }

    private static boolean isCommitOf(byte[] page, long epoch) {
        for (int at = 0; at < page.length; at += Write.SECTOR_BYTES) {
            boolean isCommit = Arrays.equals(page, at, at + COMMIT_MAGIC.length, COMMIT_MAGIC, 0, COMMIT_MAGIC.length);
            if (isCommit && (long) LONGS.get(page, at + COMMIT_EPOCH_AT) == epoch) {
                return true;
            }
        }
        return false;
    }
}
