package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class NbdUriTest {

    @Test
    void aPlainPathIsReadable() {
        assertThat(NbdUri.ofUnixSocket("disk", Path.of("/run/ramback/disk/nbd.sock")))
                .isEqualTo("nbd+unix:///disk?socket=/run/ramback/disk/nbd.sock");
    }

    @Test
    void whatWouldEndTheQueryIsEncoded() {
        assertThat(NbdUri.ofUnixSocket("d", Path.of("/a b/c&d#e%f?/ä")))
                .isEqualTo("nbd+unix:///d?socket=/a%20b/c%26d%23e%25f%3F/%C3%A4");
    }

    @Test
    void anIpv6AddressIsBracketed() {
        assertThat(NbdUri.ofTcp("d", new InetSocketAddress(InetAddress.ofLiteral("::1"), 10809), false))
                .isEqualTo("nbd://[0:0:0:0:0:0:0:1]:10809/d");
        assertThat(NbdUri.ofTcp("d", new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 1), true))
                .isEqualTo("nbds://127.0.0.1:1/d");
    }
}
