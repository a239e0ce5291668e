package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Metrics as text, in Prometheus' format 0.0.4 or in OpenMetrics 1.0: a family is begun with its name, type and help, then its samples
 * follow. It is all appends of whole strings, because a page is made every few seconds, and never often enough to be compiled well. For one
 * thread. Sources: prometheus.io/docs/instrumenting/exposition_formats, the OpenMetrics specification.
 */
final class Exposition {

    /** What a family is. */
    enum Type {
        /** A number that goes up and down. */
        GAUGE("gauge", ""),
        /** A number that only grows; {@code _total} goes behind the names of its samples. */
        COUNTER("counter", "_total"),
        /** Words, as labels of a sample that is 1; {@code _info} likewise. */
        INFO("info", "_info"),
        /** Counts of what is not greater than the label {@code le}, all of them together, and their sum where it is known. */
        HISTOGRAM("histogram", ""),
        /** How many, and their sum. */
        SUMMARY("summary", "");

        private final String word;
        private final String suffix;

        Type(String word, String suffix) {
            this.word = word;
            this.suffix = suffix;
        }
    }

    private static final String OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    private static final String TEXT = "text/plain; version=0.0.4; charset=utf-8";

    private static final int CHARS_TYPICAL = 48 << 10;
    private static final double EXACT_MAX = 1L << 53;

    private final boolean isOpenMetrics;
    private final StringBuilder text = new StringBuilder(CHARS_TYPICAL);
    private String name = "";
    private String suffix = "";

    /** An empty page, in OpenMetrics or in the older format. */
    Exposition(boolean isOpenMetrics) {
        this.isOpenMetrics = isOpenMetrics;
    }

    boolean isOpenMetrics() {
        return isOpenMetrics;
    }

    /** What the page is. */
    String contentType() {
        return isOpenMetrics ? OPEN_METRICS : TEXT;
    }

    /**
     * Begins a family.
     *
     * @param newName of a counter or an info without what goes behind it
     * @param help a sentence, without line ends and backslashes
     */
    void family(String newName, Type type, String help) {
        name = newName;
        suffix = type.suffix;
        // The older format has no infos, and its families of counters are named as their samples.
        String shown = isOpenMetrics ? newName : newName + suffix;
        String word = type == Type.INFO && !isOpenMetrics ? Type.GAUGE.word : type.word;
        text.append("# HELP ").append(shown).append(' ').append(help).append('\n');
        text.append("# TYPE ").append(shown).append(' ').append(word).append('\n');
        if (isOpenMetrics && newName.endsWith("_bytes")) {
            text.append("# UNIT ").append(shown).append(" bytes\n");
        } else if (isOpenMetrics && newName.endsWith("_seconds")) {
            text.append("# UNIT ").append(shown).append(" seconds\n");
        }
    }

    /** A label, to be joined to others with a comma. */
    static String label(String key, String value) {
        String escaped = value.indexOf('\\') < 0 && value.indexOf('"') < 0 && value.indexOf('\n') < 0
                ? value
                : value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        return key + "=\"" + escaped + "\"";
    }

    /** A sample of the family. */
    void sample(String labels, double value) {
        sample(suffix, labels, value);
    }

    /**
     * A sample of a histogram or a summary.
     *
     * @param part {@code _bucket}, {@code _count} or {@code _sum}
     */
    void sample(String part, String labels, double value) {
        text.append(name).append(part);
        if (!labels.isEmpty()) {
            text.append('{').append(labels).append('}');
        }
        text.append(' ').append(number(value)).append('\n');
    }

    /** A whole number without a point, every other as it is read back exactly. */
    private static String number(double value) {
        boolean isWhole = value == Math.rint(value) && Math.abs(value) <= EXACT_MAX;
        return isWhole ? Long.toString((long) value) : Double.toString(value);
    }

    /** A histogram's bound; OpenMetrics wants a point in it. */
    static String bound(double seconds) {
        return seconds == Double.POSITIVE_INFINITY ? "+Inf" : Double.toString(seconds);
    }

    /** The page, whole. */
    byte[] toBytes() {
        if (isOpenMetrics) {
            text.append("# EOF\n");
        }
        return text.toString().getBytes(UTF_8);
    }
}
