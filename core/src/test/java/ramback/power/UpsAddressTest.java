package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UpsAddressTest {

    @Test
    void itsForms() {
        assertThat(UpsAddress.parse("ups@localhost")).isEqualTo(new UpsAddress("ups", "localhost", 3493));
        assertThat(UpsAddress.parse("a-b_c.1@10.0.0.7:1")).isEqualTo(new UpsAddress("a-b_c.1", "10.0.0.7", 1));
        assertThat(UpsAddress.parse("u@[fe80::1%eth0]:65535")).isEqualTo(new UpsAddress("u", "fe80::1%eth0", 65535));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ups@localhost", "ups@localhost:3494", "u@[::1]", "u@[::1]:99"})
    void itIsWrittenAsItIsRead(String text) {
        assertThat(UpsAddress.parse(text)).hasToString(text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "ups",
                "@host",
                "ups@",
                "ups@host:",
                "ups@host:x",
                "a b@host",
                "ups@ho st",
                "ups@::1",
                "a@b@c"
            })
    void whatIsNone(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> UpsAddress.parse(text))
                .withMessage("not NAME@HOST[:PORT]");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ups@host:0", "ups@host:65536"})
    void portsThatAreNone(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> UpsAddress.parse(text))
                .withMessageEndingWith("is not 1 to 65535");
    }
}
