package ramback.remote;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** URIs of remote images, good and bad. */
class RemoteUriTest {

    @ParameterizedTest
    @CsvSource({
        "nbd://Example.COM/disk, nbd://example.com:10809/disk",
        "NBD://example.com:/disk, nbd://example.com:10809/disk",
        "nbd://example.com, nbd://example.com:10809/",
        "nbd://example.com//disk, nbd://example.com:10809//disk",
        "nbd://example.com/hello%20world, nbd://example.com:10809/hello%20world",
        "nbd://example.com/a%2fb, nbd://example.com:10809/a/b",
        "nbd://example.com/%C3%A9, nbd://example.com:10809/%C3%A9",
        "nbd://[::1]:7/x, nbd://[::1]:7/x",
        "nbd://under_score:7/x, nbd://under_score:7/x",
        "nbd+unix:///disk?socket=/run/a%26b, nbd+unix:///disk?socket=/run/a%26b",
        "nbd+unix://?socket=/run/s, nbd+unix:///?socket=/run/s",
        "NBD+UNIX:///d?socket=/run/s, nbd+unix:///d?socket=/run/s",
    })
    void everySpellingHasOneSpelling(String text, String spelling) {
        RemoteUri uri = RemoteUri.parse(text);
        assertThat(uri).hasToString(spelling);
        assertThat(RemoteUri.parse(spelling)).isEqualTo(uri);
        assertThat(RemoteUri.isMeant(text)).isTrue();
    }

    @Test
    void theExportIsThePathBehindItsFirstSlashDecoded() {
        assertThat(RemoteUri.parse("nbd://h/%2Fa%20b").export()).isEqualTo("/a b");
        assertThat(RemoteUri.parse("nbd://h").export()).isEmpty();
        assertThat(RemoteUri.parse("nbd+unix:///a+b?socket=s").export()).isEqualTo("a+b");
    }

    @Test
    void aRelativeSocketIsLookedForWhereTheCommandRuns() {
        assertThat(RemoteUri.parse("nbd+unix:///?socket=s").endpoint())
                .isEqualTo(new RemoteUri.Unix(Path.of("s").toAbsolutePath()));
    }

    @ParameterizedTest
    @CsvSource({
        "nbd:///disk, it names no host",
        "nbd:disk, not an NBD URI",
        "nbd://h:0/x, port '0' is not 1 to 65535",
        "nbd://h:65536/x, port '65536' is not 1 to 65535",
        "nbd://h:x/x, port 'x' is not 1 to 65535",
        "nbd://u@h/x, user names are not supported; leave 'u@' out",
        "nbd://h/x?a=b, '?a=b' is not understood",
        "nbd://h/x#y, not an NBD URI",
        "nbd://h/a b, not a URI",
        "nbd://h/%zz, not a URI",
        "nbd://h/%ff, is not UTF-8",
        "nbd://h/%00, has no NUL",
        "nbds://h/x, speaks no TLS to a server; use nbd over",
        "nbds+unix:///x?socket=s, speaks no TLS to a server; use nbd+unix over",
        "nbd+ssh://h/x, scheme 'nbd+ssh' is unknown",
        "nbd+unix:///x, it names no socket",
        "nbd+unix:///x?socket=, it names no socket",
        "nbd+unix:///x?socket=%00a, abstract namespace",
        "nbd+unix:///x?socket=a&b=c, 'b=c' is not understood",
        "nbd+unix:///x?socket=a&socket=b, 'socket=b' is not understood",
        "nbd+unix://x?socket=s, a Unix socket has no host 'x'; write three slashes",
    })
    void aBadOneIsRefusedWithWhatIsWrong(String text, String message) {
        assertThat(RemoteUri.isMeant(text)).isTrue();
        assertThatThrownBy(() -> RemoteUri.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource({"disk.img", "/dev/nbd0", "./nbd://x", "nbd", "nbd.img", "C:nbd://"})
    void aPathIsNotAUri(String text) {
        assertThat(RemoteUri.isMeant(text)).isFalse();
    }
}
