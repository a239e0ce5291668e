package ramback.nbd;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/** Rounds of conversations: a round has a server of its own, and one seed says all that happens in it. */
final class Campaign {

    static final int CONVERSATIONS_OF_A_ROUND = 100;

    /** What the good client writes and reads at once; devices that fail or defer spare requests of this length. */
    static final int GOOD_BYTES = 1237;

    /** What was said, and what it cost. */
    static final class Totals {
        long messageCount;
        long conversationCount;
        long roundCount;
        long goodCount;
        final long[] options = new long[16];
        final long[] commands = new long[16];
        final long[] ends = new long[Reading.End.values().length];

        @Override
        public String toString() {
            return messageCount + " messages in " + conversationCount + " conversations and " + roundCount
                    + " rounds, " + goodCount + " requests of the good client beside them; options "
                    + Arrays.toString(options) + ", commands " + Arrays.toString(commands) + ", ended by the client, "
                    + "a goodbye, a violation " + Arrays.toString(ends);
        }
    }

    private final Totals totals = new Totals();
    private final AtomicReference<@Nullable String> warning = new AtomicReference<>();
    private final Handler warnings = new Handler() {
        @Override
        public void publish(LogRecord logged) {
            if (logged.getLevel().intValue() >= Level.WARNING.intValue()) {
                Throwable thrown = logged.getThrown();
                warning.compareAndSet(null, logged.getMessage() + (thrown == null ? "" : ": " + thrown));
            }
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };
    private final AtomicLong turns = new AtomicLong();
    private volatile String doing = "nothing yet";

    Totals totals() {
        return totals;
    }

    /** Grows while the campaign makes progress. */
    long turns() {
        return turns.get();
    }

    /** What is under way, or what was when it failed. */
    String doing() {
        return doing;
    }

    /** One round on a server in this process; returns when nothing of it is left. */
    void round(long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        doing = "making a server";
        Logger logger = Logger.getLogger("ramback.nbd");
        logger.addHandler(warnings);
        try {
            try (FuzzTarget target = new LocalTarget(random.split())) {
                converse(target, random, CONVERSATIONS_OF_A_ROUND);
                doing = "stopping the server";
            }
            String warned = warning.get();
            if (warned != null) {
                throw new FuzzFailure("the server has warned: " + warned);
            }
        } finally {
            logger.removeHandler(warnings);
        }
        totals.roundCount++;
    }

    /** So many conversations with a server that is there already. */
    void round(FuzzTarget target, long seed) throws IOException {
        converse(target, new SplittableRandom(seed), CONVERSATIONS_OF_A_ROUND);
        totals.roundCount++;
    }

    private void converse(FuzzTarget target, SplittableRandom random, int count) throws IOException {
        Speaker speaker = new Speaker(random.split(), target.exports());
        SplittableRandom choice = random.split();
        try (Dialogue dialogue = new Dialogue(target.socket())) {
            for (int number = 0; number < count; number++) {
                Conversation conversation = speaker.next();
                Reading.Availability availability = target.canRefuse() && choice.nextInt(40) == 0
                        ? Reading.Availability.values()[1 + choice.nextInt(2)]
                        : Reading.Availability.OPEN;
                boolean beside = conversation.besideTurns() > 0;
                target.prepare(availability, beside);
                Reading reading = new Reading(
                        target.exports(),
                        availability,
                        target.tls(),
                        conversation.stream(),
                        conversation.lengthBytes());
                doing = "conversation " + number + ": " + conversation.manner() + ", " + conversation.pieces() + ", "
                        + availability + (beside ? ", the good client beside" : "") + "; " + reading;
                SplittableRandom course = choice.split();
                dialogue.hold(conversation, reading, course, () -> goodTurn(target, course));
                target.awaitAlone();
                goodTurn(target, course);
                for (FuzzExport export : target.exports()) {
                    if (!export.isView()) {
                        export.disk().settle(target.contents(export), export.ordered());
                    }
                }
                count(reading);
            }
        }
    }

    private void count(Reading reading) {
        totals.messageCount += reading.messageCount();
        totals.conversationCount++;
        totals.ends[reading.end().ordinal()]++;
        reading.addTo(totals.options, totals.commands);
        turns.incrementAndGet();
    }

    /** The good client writes something where nobody else may, and reads it back. */
    private void goodTurn(FuzzTarget target, SplittableRandom random) {
        FuzzExport export = target.exports().getFirst();
        if (export.keptEnd() - export.keptBegin() < GOOD_BYTES) {
            return;
        }
        int offset = random.nextInt(export.keptBegin(), export.keptEnd() - GOOD_BYTES);
        byte[] bytes = new byte[GOOD_BYTES];
        random.nextBytes(bytes);
        try {
            target.goodClient().write(1, offset, bytes);
            target.goodClient().expect(1, 0);
            if (!Arrays.equals(target.goodClient().read(2, offset, GOOD_BYTES), bytes)) {
                throw new FuzzFailure("the good client reads something else than it wrote at " + offset);
            }
        } catch (IOException | AssertionError e) {
            throw new FuzzFailure("the good client is served badly: " + e.getMessage(), e);
        }
        export.disk().writeKept(offset, bytes);
        totals.goodCount += 2;
        turns.incrementAndGet();
    }
}
