package ramback.cli;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import ramback.engine.Refusal;

/** {@code HOST:PORT} of {@code --listen}, the host in brackets when it is an IPv6 address. */
final class ListenAddress {

    private static final int PORT_MAX = 65_535;

    private ListenAddress() {}

    /**
     * Reads and resolves an address. Port 0 takes any free port; {@code status} tells which.
     *
     * @throws Refusal of kind USAGE when it is malformed, unknown or not on the loopback
     */
    static InetSocketAddress parse(String text) throws Refusal {
        int colon = text.lastIndexOf(':');
        if (colon < 1) {
            throw bad(text, "write HOST:PORT, for example localhost:10809");
        }
        String host = text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.indexOf(':') >= 0) {
            throw bad(text, "write an IPv6 address in brackets, for example [::1]:10809");
        }
        int port = Quantities.count("port in --listen", text.substring(colon + 1), 0, PORT_MAX);
        InetAddress address;
        try {
            address = InetAddress.getByName(host);
        } catch (UnknownHostException e) {
            throw bad(text, "unknown host " + host + "; use localhost or 127.0.0.1");
        }
        if (!address.isLoopbackAddress()) {
            throw bad(
                    text,
                    "this version serves NBD without encryption, and so on the loopback only; use localhost or"
                            + " 127.0.0.1, and a tunnel (ssh -L) from elsewhere");
        }
        return new InetSocketAddress(address, port);
    }

    private static Refusal bad(String text, String why) {
        return new Refusal(Refusal.Kind.USAGE, "bad --listen '" + text + "': " + why);
    }
}
