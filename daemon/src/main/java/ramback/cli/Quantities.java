package ramback.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import ramback.engine.Refusal;

/** Sizes and durations as people write them, both ways. */
final class Quantities {

    private static final Pattern NUMBER = Pattern.compile("(-?)([0-9]+)([A-Za-z]*)");
    private static final String SUFFIXES = "KMGT";
    private static final String[] UNITS = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    private Quantities() {}

    /**
     * Reads a size: a number of bytes, or of KiB, MiB, GiB, TiB with K, M, G, T behind it.
     *
     * @param what the option, for the message
     * @throws Refusal of kind USAGE when it is not a size of at least a byte that fits 63 bits
     */
    static long sizeBytes(String what, String text) throws Refusal {
        Matcher matcher = NUMBER.matcher(text);
        if (!matcher.matches()) {
            throw badSize(what, text);
        }
        String suffix = matcher.group(3).toUpperCase(Locale.ROOT);
        int power = suffix.isEmpty() ? 0 : SUFFIXES.indexOf(suffix) + 1;
        if (suffix.length() > 1 || (!suffix.isEmpty() && power == 0)) {
            throw badSize(what, text);
        }
        long bytes;
        try {
            bytes = Math.multiplyExact(Long.parseLong(matcher.group(2)), 1L << (10 * power));
        } catch (ArithmeticException | NumberFormatException e) {
            throw usage("bad " + what + " '" + shortened(text) + "': too large, the limit is " + Long.MAX_VALUE
                    + " bytes (8 EiB - 1)");
        }
        if (bytes == 0 || !matcher.group(1).isEmpty()) {
            throw usage("bad " + what + " '" + shortened(text) + "': must be at least 1 byte");
        }
        return bytes;
    }

    private static Refusal badSize(String what, String text) {
        return usage("bad " + what + " '" + shortened(text)
                + "': not a size; write a number of bytes, or a number with K, M, G or T (1G is 2^30 bytes)");
    }

    /**
     * Reads a duration: a number with ms, s, m or h behind it.
     *
     * @throws Refusal of kind USAGE when it is not a duration in this range
     */
    static Duration duration(String what, String text, Duration min, Duration max) throws Refusal {
        Matcher matcher = NUMBER.matcher(text);
        if (!matcher.matches() || !matcher.group(3).matches("ms|s|m|h")) {
            throw usage("bad " + what + " '" + shortened(text) + "': not a duration; write 500ms, 1s, 2m or 1h");
        }
        Duration duration;
        try {
            long count = Long.parseLong(matcher.group(1) + matcher.group(2));
            duration = switch (matcher.group(3)) {
                case "ms" -> Duration.ofMillis(count);
                case "s" -> Duration.ofSeconds(count);
                case "m" -> Duration.ofMinutes(count);
                default -> Duration.ofHours(count);
            };
        } catch (ArithmeticException | NumberFormatException e) {
            duration = Duration.ZERO; // too large for anything
        }
        if (duration.compareTo(min) < 0 || duration.compareTo(max) > 0) {
            throw usage("bad " + what + " '" + shortened(text) + "': must be " + ofDuration(min) + " to "
                    + ofDuration(max));
        }
        return duration;
    }

    /** A duration as {@link #duration} reads it, in the largest unit that fits. */
    static String ofDuration(Duration duration) {
        long millis = duration.toMillis();
        if (millis % 3_600_000 == 0) {
            return millis / 3_600_000 + "h";
        }
        if (millis % 60_000 == 0) {
            return millis / 60_000 + "m";
        }
        return millis % 1_000 == 0 ? millis / 1_000 + "s" : millis + "ms";
    }

    /** Reads a whole number in a range. */
    static int count(String what, String text, int min, int max) throws Refusal {
        try {
            int count = Integer.parseInt(text);
            if (count >= min && count <= max) {
                return count;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw usage("bad " + what + " '" + shortened(text) + "': must be a whole number from " + min + " to " + max);
    }

    private static Refusal usage(String message) {
        return new Refusal(Refusal.Kind.USAGE, message);
    }

    private static String shortened(String text) {
        return text.length() <= 40 ? text : text.substring(0, 40) + "...";
    }

    // ------------------------------------------------------------------------------------------------- for people

    /** Bytes with three digits that matter: 999 bytes, 1.00 KiB, 12.3 MiB. */
    static String ofBytes(long bytes) {
        int unit = 0;
        double value = (double) bytes;
        // 999.5 would be shown as 1000: the next unit's 0.98 is shorter.
        while (value >= 999.5 && unit < UNITS.length - 1) {
            value /= 1024;
            unit++;
        }
        return digits(value, unit == 0) + " " + (bytes == 1 ? "byte" : UNITS[unit]);
    }

    /** A size that is a whole number of some unit as just that (1 GiB), any other as {@link #ofBytes}. */
    static String ofSize(long bytes) {
        int unit = 0;
        long value = bytes;
        while (value != 0 && value % 1024 == 0 && unit < UNITS.length - 1) {
            value /= 1024;
            unit++;
        }
        return value < 10_000 && unit > 0 ? value + " " + UNITS[unit] : ofBytes(bytes);
    }

    /** Bytes a second. */
    static String ofRate(double bytesPerSecond) {
        return ofBytes(Math.round(bytesPerSecond)) + "/s";
    }

    /** Seconds as people say them: 0.25 s, 12 s, 3 min 20 s, 2 h 5 min. */
    static String ofSeconds(double seconds) {
        if (seconds < 10) {
            return String.format(Locale.ROOT, "%.2f s", seconds);
        }
        long whole = Math.round(seconds);
        if (whole < 100) {
            return whole + " s";
        }
        if (whole < 7200) {
            return whole / 60 + " min " + whole % 60 + " s";
        }
        return whole / 3600 + " h " + whole / 60 % 60 + " min";
    }

    /** A time that is short mostly, with three digits that matter and no letter that a terminal may lack: 4.10 us, 12.3 ms, 250 ms, 1.50 s. */
    static String ofShortTime(double seconds) {
        if (seconds < 0.9995e-3) {
            return digits(seconds * 1e6, false) + " us";
        }
        return seconds < 0.9995 ? digits(seconds * 1e3, false) + " ms" : ofSeconds(seconds);
    }

    /** Bytes in at most five cells, as sizes are written in options: 999, 1.00K, 12.3M. */
    static String shortBytes(long bytes) {
        return shortened((double) bytes, 1024, "KMGTPE");
    }

    /** A count in at most five cells: 999, 1.00k, 12.3M. */
    static String shortCount(double count) {
        return shortened(count, 1000, "kMGTPE");
    }

    private static String shortened(double count, int step, String suffixes) {
        int unit = 0;
        double value = count;
        while (value >= 999.5 && unit < suffixes.length()) {
            value /= step;
            unit++;
        }
        return digits(value, unit == 0) + (unit == 0 ? "" : suffixes.charAt(unit - 1));
    }

    /** A count with thousands apart. */
    static String ofCount(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    private static String digits(double value, boolean isWhole) {
        if (isWhole) {
            return Long.toString(Math.round(value));
        }
        return String.format(Locale.ROOT, value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
    }
}
