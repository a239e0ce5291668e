package ramback.remote;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.Locale;
import ramback.protocol.Protocol;

/**
 * Where a remote image is: {@code nbd://HOST[:PORT]/EXPORT} or {@code nbd+unix:///EXPORT?socket=PATH}. Source: uri.md, "NBD URI
 * components". Two URIs that differ only in spelling (case of the host, the default port, percent-encoding) are equal.
 *
 * @param endpoint where the server listens
 * @param export the export's name; empty for the server's default
 */
public record RemoteUri(Endpoint endpoint, String export) {

    /** Where a server listens. */
    public sealed interface Endpoint permits Tcp, Unix {}

    /**
     * A TCP port.
     *
     * @param host a name in lower case, or an address, without the brackets of IPv6
     */
    public record Tcp(String host, int port) implements Endpoint {}

    /**
     * A Unix socket.
     *
     * @param socket absolute
     */
    public record Unix(Path socket) implements Endpoint {}

    /** uri.md: assigned by IANA. */
    private static final int PORT_DEFAULT = 10809;

    private static final int PORT_MAX = 65_535;
    private static final String TCP_SCHEME = "nbd";
    private static final String UNIX_SCHEME = "nbd+unix";
    private static final String FORMS = "write nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH";

    /** Whether a text is meant as a URI of NBD, good or bad, and not as a path. */
    public static boolean isMeant(String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        return lower.startsWith("nbd:")
                || lower.startsWith("nbds:")
                || lower.startsWith("nbd+")
                || lower.startsWith("nbds+");
    }

    /**
     * Reads a URI.
     *
     * @throws IllegalArgumentException whose message is one phrase: what is wrong, and what to write
     */
    public static RemoteUri parse(String text) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(
                    "not a URI (" + e.getReason() + "); " + FORMS + ", anything unusual percent-encoded", e);
        }
        String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
        if (uri.isOpaque() || uri.getRawFragment() != null) {
            throw new IllegalArgumentException("not an NBD URI; " + FORMS);
        }
        String export = export(uri.getRawPath());
        return switch (scheme) {
            case TCP_SCHEME -> new RemoteUri(tcp(uri), export);
            case UNIX_SCHEME -> new RemoteUri(unix(uri), export);
            case "nbds", "nbds+unix" ->
                throw new IllegalArgumentException("this version speaks no TLS to a server; use "
                        + scheme.replace("nbds", "nbd") + " over a network that you trust, or through a tunnel");
            default -> throw new IllegalArgumentException("scheme '" + scheme + "' is unknown; " + FORMS);
        };
    }

    private static String export(String rawPath) {
        String export = decoded(rawPath.startsWith("/") ? rawPath.substring(1) : rawPath);
        int lengthBytes = export.getBytes(UTF_8).length;
        if (lengthBytes > Protocol.STRING_BYTES_MAX || export.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("an export's name has no NUL and at most " + Protocol.STRING_BYTES_MAX
                    + " bytes, this one has " + lengthBytes);
        }
        return export;
    }

    private static Tcp tcp(URI uri) {
        if (uri.getRawQuery() != null) {
            throw new IllegalArgumentException("'?" + uri.getRawQuery() + "' is not understood; " + FORMS);
        }
        String authority = uri.getRawAuthority();
        if (authority == null || authority.isEmpty()) {
            throw new IllegalArgumentException("it names no host; " + FORMS);
        }
        if (authority.indexOf('@') >= 0) {
            throw new IllegalArgumentException("user names are not supported; leave '"
                    + authority.substring(0, authority.indexOf('@') + 1) + "' out");
        }
        int hostEnd = authority.startsWith("[") ? authority.indexOf(']') + 1 : authority.indexOf(':');
        if (hostEnd < 0) {
            hostEnd = authority.length();
        }
        String host = authority.substring(0, hostEnd);
        if (host.startsWith("[")) {
            host = host.substring(1, host.length() - 1);
        }
        String port = authority.substring(hostEnd);
        if (host.isEmpty() || (!port.isEmpty() && !port.startsWith(":"))) {
            throw new IllegalArgumentException("'" + authority + "' is not HOST[:PORT]");
        }
        return new Tcp(
                decoded(host).toLowerCase(Locale.ROOT), port.length() <= 1 ? PORT_DEFAULT : port(port.substring(1)));
    }

    private static int port(String text) {
        int port;
        try {
            port = Integer.parseInt(text);
        } catch (NumberFormatException e) {
            port = 0;
        }
        if (port < 1 || port > PORT_MAX) {
            throw new IllegalArgumentException("port '" + text + "' is not 1 to " + PORT_MAX);
        }
        return port;
    }

    private static Unix unix(URI uri) {
        if (uri.getRawAuthority() != null && !uri.getRawAuthority().isEmpty()) {
            throw new IllegalArgumentException("a Unix socket has no host '" + uri.getRawAuthority()
                    + "'; write three slashes: nbd+unix:///EXPORT?socket=PATH");
        }
        String query = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        String socket = null;
        for (String parameter : query.split("&", -1)) {
            if (parameter.startsWith("socket=") && socket == null) {
                socket = decoded(parameter.substring("socket=".length()));
            } else if (!parameter.isEmpty()) {
                throw new IllegalArgumentException("'" + parameter + "' is not understood; " + FORMS);
            }
        }
        if (socket == null || socket.isEmpty()) {
            throw new IllegalArgumentException("it names no socket; write nbd+unix:///EXPORT?socket=PATH");
        }
        if (socket.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "a socket in the abstract namespace can't be reached; name a socket's file");
        }
        return new Unix(Path.of(socket).toAbsolutePath());
    }

    // ---------------------------------------------------------------------------------------------- spelling

    /** The one spelling of it: by this the image is known. */
    @Override
    public String toString() {
        return switch (endpoint) {
            case Tcp(String host, int port) ->
                TCP_SCHEME + "://" + (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port + "/"
                        + encoded(export);
            case Unix(Path socket) -> UNIX_SCHEME + ":///" + encoded(export) + "?socket=" + encoded(socket.toString());
        };
    }

    private static String decoded(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '%') {
                bytes.write(
                        Integer.parseInt(text, i + 1, i + 3, 16)); // java.net.URI has checked that two digits follow
                i += 2;
            } else {
                bytes.writeBytes(String.valueOf(c).getBytes(UTF_8));
            }
        }
        try {
            return UTF_8.newDecoder()
                    .decode(ByteBuffer.wrap(bytes.toByteArray()))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("'" + text + "' is not UTF-8", e);
        }
    }

    private static String encoded(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (byte unit : text.getBytes(UTF_8)) {
            char c = (char) (unit & 0xff);
            if ((c < 0x80 && Character.isLetterOrDigit(c)) || "-._~/".indexOf(c) >= 0) {
                out.append(c);
            } else {
                out.append('%').append(Character.toUpperCase(Character.forDigit(c >> 4, 16)));
                out.append(Character.toUpperCase(Character.forDigit(c & 0xf, 16)));
            }
        }
        return out.toString();
    }
}
