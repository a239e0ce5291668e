package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who is answered: a decision over what came with a request. */
class RequestGuardTest {

    @TempDir
    Path directory;

    private HttpToken token;
    private RequestGuard unix;
    private RequestGuard loopback;

    @BeforeEach
    void make() throws IOException {
        token = HttpToken.create(directory.resolve("http-token"));
        unix = RequestGuard.ofUnixSocket();
        loopback = RequestGuard.ofTcp(address("127.0.0.1", "disk.home"), token);
    }

    private static HttpAddress address(String literal, String host) throws IOException {
        return new HttpAddress(new InetSocketAddress(InetAddress.getByName(literal), 8080), host);
    }

    private static int judge(RequestGuard guard, String method, String host, String origin, String site, String token) {
        RequestGuard.Objection objection = guard.objection(method, host, origin, site, false, token);
        return objection == null ? 200 : objection.httpStatus();
    }

    private String bearer() {
        return "Bearer " + token.text();
    }

    @Test
    void theTokenIsItsOwnersAloneAndEachIsAnother() throws IOException {
        Path file = directory.resolve("http-token");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThat(Files.readString(file)).isEqualTo(token.text() + "\n").matches("[A-Za-z0-9_-]{32}\n");
        assertThat(HttpToken.create(directory.resolve("other")).text()).isNotEqualTo(token.text());
    }

    @ParameterizedTest
    @ValueSource(strings = {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"})
    void theLoopbackIsAnsweredHoweverItIsCalledAndForwarded(String host) {
        assertThat(judge(unix, "GET", host, null, null, null)).isEqualTo(200);
        assertThat(judge(loopback, "GET", host, null, null, null)).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "evil.example",
                "evil.example:8080",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "1270.0.1",
                "192.0.2.1:8080",
                "[2001:db8::1]:8080",
                "",
                ":8080",
                "localhost:8080@evil.example"
            })
    void aNameThatWasMadeToLeadHereIsNot(String host) {
        assertThat(judge(unix, "GET", host, null, null, null)).isEqualTo(421);
        assertThat(judge(loopback, "GET", host, null, null, bearer())).isEqualTo(421);
    }

    @Test
    void theNameInTheOptionIsAnsweredAndOnAnyAddressEveryLiteral() throws IOException {
        assertThat(judge(loopback, "GET", "disk.home:8080", null, null, null)).isEqualTo(200);
        assertThat(judge(unix, "GET", "disk.home:8080", null, null, null)).isEqualTo(421);
        RequestGuard everywhere = RequestGuard.ofTcp(address("0.0.0.0", "0.0.0.0"), token);
        assertThat(judge(everywhere, "GET", "192.0.2.1:8080", null, null, null)).isEqualTo(200);
        assertThat(judge(everywhere, "GET", "[2001:db8::1]:8080", null, null, null))
                .isEqualTo(200);
        assertThat(judge(everywhere, "GET", "evil.example", null, null, null)).isEqualTo(421);
        RequestGuard one = RequestGuard.ofTcp(address("192.0.2.1", "192.0.2.1"), token);
        assertThat(judge(one, "GET", "192.0.2.1:8080", null, null, null)).isEqualTo(200);
        assertThat(judge(one, "GET", "192.0.2.2:8080", null, null, null)).isEqualTo(421);
    }

    @Test
    void onlyAProgramOnTheUnixSocketMayLeaveTheHostOut() {
        assertThat(judge(unix, "GET", null, null, null, null)).isEqualTo(200);
        assertThat(judge(loopback, "GET", null, null, null, null)).isEqualTo(421);
    }

    @ParameterizedTest
    @CsvSource({
        "http://localhost:8080, same-origin, 200",
        "HTTP://LOCALHOST:8080, , 200",
        "https://localhost:8080, , 200",
        "http://localhost:9090, , 403",
        "http://127.0.0.1:8080, , 403",
        "http://evil.example, , 403",
        "null, , 403",
        ", cross-site, 403",
        ", same-site, 403",
        "http://localhost:8080, cross-site, 403",
        ", none, 200",
    })
    void nothingIsToldOrDoneForAnotherPage(String origin, String site, int expected) {
        for (RequestGuard guard : new RequestGuard[] {unix, loopback}) {
            assertThat(judge(guard, "GET", "localhost:8080", origin, site, null))
                    .isEqualTo(expected);
            assertThat(judge(guard, "POST", "localhost:8080", origin, site, bearer()))
                    .isEqualTo(expected);
        }
    }

    @Test
    void aLinkToOursMayStandAnywhereButAFormMayNot() {
        assertThat(loopback.objection("GET", "localhost:8080", null, "cross-site", true, null))
                .isNull();
        assertThat(loopback.objection("POST", "localhost:8080", null, "cross-site", true, bearer()))
                .isNotNull();
        assertThat(unix.objection("POST", "localhost:8080", "null", "cross-site", true, null))
                .isNotNull();
    }

    @Test
    void changesNeedTheTokenOnTcpAndOnTheUnixSocketNone() {
        assertThat(judge(unix, "POST", "localhost", null, null, null)).isEqualTo(200);
        assertThat(judge(loopback, "POST", "localhost", null, null, null)).isEqualTo(401);
        assertThat(judge(loopback, "POST", "localhost", null, null, bearer())).isEqualTo(200);
        for (String wrong : new String[] {
            "",
            "Bearer ",
            "Bearer",
            token.text(),
            bearer() + " ",
            "bearer " + token.text(),
            "Basic " + token.text(),
            "Bearer " + token.text().substring(1),
            "Bearer " + "A".repeat(32)
        }) {
            assertThat(judge(loopback, "POST", "localhost", null, null, wrong)).isEqualTo(401);
        }
        for (String method : new String[] {"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"}) {
            assertThat(judge(loopback, method, "localhost", null, null, null)).isEqualTo(401);
        }
    }

    @Test
    void theAddressOfTheDashboardIsOneThatABrowserCanOpen() throws IOException {
        assertThat(address("127.0.0.1", "localhost").uri(80)).isEqualTo("http://localhost:80/");
        assertThat(address("::1", "::1").uri(81)).isEqualTo("http://[::1]:81/");
        assertThat(address("0.0.0.0", "0.0.0.0").uri(82)).isEqualTo("http://localhost:82/");
        assertThat(address("::", "::").uri(83)).isEqualTo("http://localhost:83/");
        assertThat(address("192.0.2.1", "disk.home").uri(84)).isEqualTo("http://disk.home:84/");
    }
}
