package ramback.power;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a UPS is heard of: by its name, from a NUT server.
 *
 * @param ups the name in the server's {@code ups.conf}
 * @param host a name or an address; an IPv6 address without brackets
 * @param port 1 to 65535
 */
public record UpsAddress(String ups, String host, int port) {

    /** NUT's port, as registered with IANA. */
    public static final int PORT_DEFAULT = 3493;

    private static final int PORT_MAX = 65_535;

    private static final Pattern FORM = Pattern.compile(
            "(?<ups>[A-Za-z0-9._-]{1,255})@(?:\\[(?<six>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?)]|(?<host>[^\\s\\[\\]:@]+))(?::(?<port>[0-9]{1,5}))?");

    /**
     * Reads NAME@HOST[:PORT].
     *
     * @throws IllegalArgumentException when it is something else; the message says what is wrong with it
     */
    public static UpsAddress parse(String text) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("not NAME@HOST[:PORT]");
        }
        String host = matcher.group("six") == null ? matcher.group("host") : matcher.group("six");
        String digits = matcher.group("port");
        int port = digits == null ? PORT_DEFAULT : Integer.parseInt(digits);
        if (port < 1 || port > PORT_MAX) {
            throw new IllegalArgumentException("port " + port + " is not 1 to " + PORT_MAX);
        }
        return new UpsAddress(matcher.group("ups"), host, port);
    }

    /** As it is written. */
    @Override
    public String toString() {
        String shownHost = host.indexOf(':') < 0 ? host : "[" + host + "]";
        return ups + "@" + shownHost + (port == PORT_DEFAULT ? "" : ":" + port);
    }
}
