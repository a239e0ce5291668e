package ramback.control;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What happened to a device lately and why, a line each, the newest {@link #ENTRY_COUNT_MAX}: what {@link DeviceLog} told the log, for
 * who looks at the device. What happens over and over, as writers that are slowed down and let go, is one line with a count. Safe for
 * use by many threads.
 */
final class EventLog {

    /** As many lines are kept. */
    static final int ENTRY_COUNT_MAX = 256;
    /** A line that is the same as one of so many newest ones takes its place. */
    private static final int REPEATED_WITHIN = 6;

    /** How much a line matters. */
    enum Level {
        INFO,
        GOOD,
        WARNING,
        BAD;

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What goes to and fro by itself: such lines are the same line if they differ in nothing but numbers. */
    private static final Set<String> RESTLESS = Set.of("light", "well", "loading", "throttled", "loss");

    /**
     * A line.
     *
     * @param id the same for as long as it is the same line, however often it was noted
     * @param number rises with everything that is noted
     * @param subject one word: the reason of a change, or what was done
     * @param count how often that was lately
     */
    record Entry(long id, long number, Instant time, Level level, String subject, String text, int count) {
        void write(JsonGenerator json) throws IOException {
            json.writeStartObject();
            json.writeNumberField("n", id);
            json.writeStringField("time", time.toString());
            json.writeStringField("level", level.word());
            json.writeStringField("subject", subject);
            json.writeStringField("text", text);
            json.writeNumberField("count", count);
            json.writeEndObject();
        }
    }

    private final Deque<Entry> entries = new ArrayDeque<>();
    private long lastNumber;

    /** Notes what happened just now. */
    synchronized void note(Level level, String subject, String text) {
        long number = ++lastNumber;
        long id = number;
        int count = 1;
        int looked = 0;
        for (Iterator<Entry> newest = entries.descendingIterator(); newest.hasNext() && looked < REPEATED_WITHIN; ) {
            Entry entry = newest.next();
            if (entry.subject.equals(subject) && isAlike(subject, entry.text, text)) {
                count = entry.count + 1;
                id = entry.id;
                newest.remove();
                break;
            }
            looked++;
        }
        if (entries.size() == ENTRY_COUNT_MAX) {
            entries.removeFirst();
        }
        entries.addLast(new Entry(id, number, Instant.now(), level, subject, text, count));
    }

    private static boolean isAlike(String subject, String a, String b) {
        return RESTLESS.contains(subject) ? a.replaceAll("\\d+", "#").equals(b.replaceAll("\\d+", "#")) : a.equals(b);
    }

    /** The lines that were noted later than that number, as they are now, oldest first. */
    synchronized List<Entry> after(long number) {
        List<Entry> newer = new ArrayList<>();
        for (Entry entry : entries) {
            if (entry.number > number) {
                newer.add(entry);
            }
        }
        return newer;
    }
}
