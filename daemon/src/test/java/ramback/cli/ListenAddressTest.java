package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.engine.Refusal;

class ListenAddressTest {

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1:10809", "localhost:10809", "[::1]:10809", "127.1.2.3:10809"})
    void theLoopbackMayBeListenedOn(String text) throws Refusal {
        assertThat(ListenAddress.parse(text, false).getPort()).isEqualTo(10809);
        assertThat(ListenAddress.parse(text, false).getAddress().isLoopbackAddress())
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0:10809", "[::]:10809", "192.0.2.1:10809"})
    void anythingButTheLoopbackIsRefusedWithAWayOut(String text) {
        assertThatThrownBy(() -> ListenAddress.parse(text, false))
                .hasMessageStartingWith("bad --listen '" + text + "': ")
                .hasMessageContaining("on the loopback only")
                .hasMessageContaining("--tls-cert");
    }

    @ParameterizedTest
    @ValueSource(strings = {"localhost:65536", "localhost:-1", "localhost:x", "localhost:"})
    void aBadPortIsRefusedWithTheRange(String text) {
        assertThatThrownBy(() -> ListenAddress.parse(text, false))
                .hasMessageStartingWith("bad port in --listen '")
                .hasMessageEndingWith("must be a whole number from 0 to 65535");
    }

    @ParameterizedTest
    @ValueSource(strings = {"10809", ":10809", "localhost"})
    void hostAndPortAreBothNeeded(String text) {
        assertThatThrownBy(() -> ListenAddress.parse(text, false)).hasMessageContaining("write HOST:PORT");
    }

    @Test
    void anIpv6AddressNeedsBrackets() {
        assertThatThrownBy(() -> ListenAddress.parse("::1:10809", false)).hasMessageContaining("in brackets");
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1:8080", "localhost:0", "[::1]:8080"})
    void theDashboardMayBeOnTheLoopback(String text) throws Refusal {
        assertThat(ListenAddress.parseHttp(text, false).isLoopback()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"})
    void elsewhereItNeedsToBeSaidAloud(String text) throws Refusal {
        assertThatThrownBy(() -> ListenAddress.parseHttp(text, false))
                .hasMessageStartingWith("bad --http '" + text + "': the dashboard is not encrypted")
                .hasMessageEndingWith("or add --insecure");
        assertThat(ListenAddress.parseHttp(text, true).isLoopback()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"8080", ":8080", "localhost", "localhost:x", "::1:8080", "localhost:65536"})
    void aBadAddressOfTheDashboardIsRefusedByItsOwnName(String text) {
        assertThatThrownBy(() -> ListenAddress.parseHttp(text, true))
                .hasMessageStartingWith("bad ")
                .hasMessageContaining("--http");
    }

    @Test
    void whoMustEncryptMayComeFromAnywhere() throws Refusal {
        assertThat(ListenAddress.parse("0.0.0.0:10809", true).getPort()).isEqualTo(10809);
    }
}
