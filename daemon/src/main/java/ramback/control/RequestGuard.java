package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.ServerRequestHeaders;
import io.helidon.webserver.http.FilterChain;
import io.helidon.webserver.http.RoutingRequest;
import io.helidon.webserver.http.RoutingResponse;
import java.net.InetAddress;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * Stands before every request and tells what a browser brings on somebody else's behalf from what its user wants. A browser reaches
 * whatever its machine reaches, also a control socket that was forwarded to a port, so both listeners have one:
 *
 * <ul>
 *   <li>Host must be the loopback or where we listen. A page whose name was made to lead here (DNS rebinding) has a name of its own in it.
 *   <li>Origin, if there is one, must be that Host, and Sec-Fetch-Site not another site's: nothing is done, or told, for other pages;
 *       only a link to ours may stand anywhere.
 *   <li>On TCP whatever changes something needs the token, in a header, which no form and no other page can send.
 * </ul>
 *
 * <p>And it has every answer say that it is not to be kept, framed, guessed at, or to load anything from elsewhere.
 */
final class RequestGuard {

    private static final HeaderName FETCH_SITE = HeaderNames.create("Sec-Fetch-Site");
    private static final HeaderName FETCH_MODE = HeaderNames.create("Sec-Fetch-Mode");
    private static final HeaderName FETCH_DESTINATION = HeaderNames.create("Sec-Fetch-Dest");

    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
            + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /** What only looks. */
    private static final Set<String> LOOKING = Set.of("GET", "HEAD");

    private static final Pattern ADDRESS_4 = Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}");
    private static final Pattern ADDRESS_6 = Pattern.compile("\\[[0-9a-f:.]+]");
    private static final Pattern PORT = Pattern.compile("(?<!:):\\d{1,5}$");
    private static final Pattern LOOPBACK = Pattern.compile("localhost|127(\\.\\d{1,3}){3}|\\[::1]");

    private final @Nullable HttpToken token;
    private final @Nullable HttpAddress listening;

    private RequestGuard(@Nullable HttpAddress listening, @Nullable HttpToken token) {
        this.listening = listening;
        this.token = token;
    }

    /** Before a Unix socket, whose permissions say who may connect. */
    static RequestGuard ofUnixSocket() {
        return new RequestGuard(null, null);
    }

    /** Before an address that others can connect to. */
    static RequestGuard ofTcp(HttpAddress listening, HttpToken token) {
        return new RequestGuard(listening, token);
    }

    /** Whether changes need a token. */
    boolean asksForToken() {
        return token != null;
    }

    /** The filter before all routes. */
    void filter(FilterChain chain, RoutingRequest request, RoutingResponse response) {
        response.header("Cache-Control", "no-store");
        response.header("Content-Security-Policy", POLICY);
        response.header("X-Content-Type-Options", "nosniff");
        response.header("X-Frame-Options", "DENY");
        response.header("Referrer-Policy", "no-referrer");
        response.header("Cross-Origin-Resource-Policy", "same-origin");
        response.header("Cross-Origin-Opener-Policy", "same-origin");
        ServerRequestHeaders headers = request.headers();
        Objection objection = objection(
                request.prologue().method().text(),
                headers.first(HeaderNames.HOST).orElse(null),
                headers.first(HeaderNames.ORIGIN).orElse(null),
                headers.first(FETCH_SITE).orElse(null),
                headers.first(FETCH_MODE).orElse("").equals("navigate")
                        && headers.first(FETCH_DESTINATION).orElse("document").equals("document"),
                headers.first(HeaderNames.AUTHORIZATION).orElse(null));
        if (objection == null) {
            chain.proceed();
            return;
        }
        // Not looked at, but read: what is left of it would be taken for the next request.
        request.content().consume();
        response.status(objection.httpStatus());
        if (objection.httpStatus() == Objection.UNAUTHORIZED) {
            response.header("WWW-Authenticate", "Bearer realm=\"ramback\"");
        }
        response.header("Content-Type", "application/json");
        response.send(Problem.write(new Refusal(Refusal.Kind.USAGE, objection.message()))
                .getBytes(UTF_8));
    }

    /**
     * Why a request is not answered.
     *
     * @param httpStatus 401, 403 or 421
     */
    record Objection(int httpStatus, String message) {
        static final int UNAUTHORIZED = 401;
        static final int FORBIDDEN = 403;
        static final int MISDIRECTED = 421;
    }

    /**
     * Judges a request by what came with it.
     *
     * @param isNavigation whether somebody follows a link, or typed it
     * @return null when it is to be answered
     */
    @Nullable
    Objection objection(
            String method,
            @Nullable String host,
            @Nullable String origin,
            @Nullable String fetchSite,
            boolean isNavigation,
            @Nullable String authorization) {
        if (!isOurs(host)) {
            return new Objection(
                    Objection.MISDIRECTED,
                    "asked for as '" + shown(host) + "', which is not where this listens; use localhost or the address"
                            + " of --http");
        }
        boolean isLooking = LOOKING.contains(method);
        boolean isElsewhere = fetchSite != null && !fetchSite.equals("same-origin") && !fetchSite.equals("none");
        if (!isOf(origin, host) || (isElsewhere && !(isLooking && isNavigation))) {
            return new Objection(Objection.FORBIDDEN, "asked by a page of another site; open the dashboard itself");
        }
        if (token != null && !isLooking && !token.isIn(authorization)) {
            return new Objection(
                    Objection.UNAUTHORIZED,
                    authorization == null
                            ? "changes need the token; open the dashboard with the address in which 'up' gave it, or"
                                    + " paste it from RUNDIR/NAME/http-token"
                            : "that is not the token of this run; read it again from RUNDIR/NAME/http-token");
        }
        return null;
    }

    private boolean isOurs(@Nullable String host) {
        if (host == null) {
            return listening == null; // a program on the Unix socket
        }
        String name = withoutPort(host.toLowerCase(Locale.ROOT));
        if (LOOPBACK.matcher(name).matches()) {
            return true;
        }
        if (listening == null) {
            return false;
        }
        InetAddress address = listening.address().getAddress();
        boolean isAddress =
                ADDRESS_4.matcher(name).matches() || ADDRESS_6.matcher(name).matches();
        // An address in place of a name is none that somebody could have led astray.
        return (isAddress && address.isAnyLocalAddress())
                || name.equals(listening.host().toLowerCase(Locale.ROOT))
                || name.equals("[" + listening.host().toLowerCase(Locale.ROOT) + "]")
                || name.equals(address.getHostAddress());
    }

    private static String withoutPort(String host) {
        return PORT.matcher(host).replaceFirst("");
    }

    private static boolean isOf(@Nullable String origin, @Nullable String host) {
        return origin == null
                || (host != null
                        && (origin.equalsIgnoreCase("http://" + host) || origin.equalsIgnoreCase("https://" + host)));
    }

    private static String shown(@Nullable String host) {
        String text = host == null ? "" : host;
        return text.length() <= 80 ? text : text.substring(0, 80) + "…";
    }
}
