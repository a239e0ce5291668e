package ramback.control;

import java.util.regex.Pattern;

/**
 * A line of the log: a sentence for people, then {@code key=value} for programs, in logfmt: a value with anything but letters,
 * digits and a few signs is in double quotes, with {@code \"} and {@code \\} inside. The names are listed in docs/operations.md, and
 * stay.
 */
final class LogLine {

    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9._:/+@%-]+");

    private final StringBuilder text;

    LogLine(String device, String event, String sentence) {
        text = new StringBuilder(device)
                .append(": ")
                .append(sentence.strip().replaceAll("\\s*\\R\\s*", " "))
                .append(';');
        with("event", event).with("device", device);
    }

    /** Adds a field. */
    LogLine with(String key, Object value) {
        String plain = String.valueOf(value).strip().replaceAll("\\s*\\R\\s*", " ");
        text.append(' ').append(key).append('=');
        if (PLAIN.matcher(plain).matches()) {
            text.append(plain);
        } else {
            text.append('"')
                    .append(plain.replace("\\", "\\\\").replace("\"", "\\\""))
                    .append('"');
        }
        return this;
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
