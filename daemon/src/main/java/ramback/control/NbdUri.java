package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.InetSocketAddress;
import java.nio.file.Path;

/** How clients address a device. Source: the NBD URI specification (uri.md), "NBD URI syntax". */
final class NbdUri {

    private NbdUri() {}

    /** The URI of an export on a Unix socket; what would end or split the query is percent-encoded in the path. */
    static String ofUnixSocket(String export, Path socket) {
        return "nbd+unix:///" + encoded(export) + "?socket=" + encoded(socket.toString());
    }

    /** The URI of an export on a TCP port; {@code nbds} where clients must encrypt. */
    static String ofTcp(String export, InetSocketAddress address, boolean isEncrypted) {
        String host = address.getAddress().getHostAddress();
        String bracketed = host.indexOf(':') >= 0 ? "[" + host + "]" : host;
        return (isEncrypted ? "nbds://" : "nbd://") + bracketed + ":" + address.getPort() + "/" + encoded(export);
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
