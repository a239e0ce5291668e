package ramback.cli;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import ramback.control.HttpAddress;
import ramback.engine.Refusal;

/** {@code HOST:PORT} of {@code --listen} and {@code --http}, the host in brackets when it is an IPv6 address. */
final class ListenAddress {

    private static final int PORT_MAX = 65_535;

    private final String option;
    private final String text;
    private final String host;
    private final InetSocketAddress address;

    private ListenAddress(String option, String text, String host, InetSocketAddress address) {
        this.option = option;
        this.text = text;
        this.host = host;
        this.address = address;
    }

    /**
     * Reads and resolves the address of {@code --listen}. Port 0 takes any free port; {@code status} tells which.
     *
     * @param isOpen whether it may be one beyond the loopback: clients must encrypt, or the operator takes it upon himself
     * @throws Refusal of kind USAGE when it is malformed, unknown, or beyond the loopback and may not be
     */
    static InetSocketAddress parse(String text, boolean isOpen) throws Refusal {
        ListenAddress parsed = resolve("--listen", text, 10_809);
        if (!isOpen && !parsed.address.getAddress().isLoopbackAddress()) {
            throw parsed.bad(
                    "NBD that may be without TLS is served on the loopback only; use localhost or 127.0.0.1, give"
                            + " --tls-cert FILE and --tls-key FILE (with --tls require), or add --insecure");
        }
        return parsed.address;
    }

    /**
     * Likewise of {@code --http}.
     *
     * @param isInsecure whether the operator has said that others may read along
     * @throws Refusal of kind USAGE when it is malformed, unknown, or not on the loopback and that was not said
     */
    static HttpAddress parseHttp(String text, boolean isInsecure) throws Refusal {
        ListenAddress parsed = resolve("--http", text, 8080);
        HttpAddress http = new HttpAddress(parsed.address, parsed.host);
        if (!http.isLoopback() && !isInsecure) {
            throw parsed.bad(
                    "the dashboard is not encrypted, and so on the loopback only; use localhost or 127.0.0.1 and a"
                            + " tunnel (ssh -L) from elsewhere, or add --insecure");
        }
        return http;
    }

    private static ListenAddress resolve(String option, String text, int examplePort) throws Refusal {
        int colon = text.lastIndexOf(':');
        if (colon < 1) {
            throw bad(option, text, "write HOST:PORT, for example localhost:" + examplePort);
        }
        String host = text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.indexOf(':') >= 0) {
            throw bad(option, text, "write an IPv6 address in brackets, for example [::1]:" + examplePort);
        }
        int port = Quantities.count("port in " + option, text.substring(colon + 1), 0, PORT_MAX);
        try {
            return new ListenAddress(option, text, host, new InetSocketAddress(InetAddress.getByName(host), port));
        } catch (UnknownHostException e) {
            throw bad(option, text, "unknown host " + host + "; use localhost or 127.0.0.1");
        }
    }

    private Refusal bad(String why) {
        return bad(option, text, why);
    }

    private static Refusal bad(String option, String text, String why) {
        return new Refusal(Refusal.Kind.USAGE, "bad " + option + " '" + text + "': " + why);
    }
}
