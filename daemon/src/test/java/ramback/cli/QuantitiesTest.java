package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.engine.Refusal;

class QuantitiesTest {

    @ParameterizedTest
    @CsvSource({
        "1,1",
        "512,512",
        "4K,4096",
        "4k,4096",
        "64M,67108864",
        "1G,1073741824",
        "2T,2199023255552",
        "9223372036854775807,9223372036854775807",
        "8388607T,9223370937343148032",
        "007,7"
    })
    void sizesAreBytesOrPowersOf1024(String text, long bytes) throws Refusal {
        assertThat(Quantities.sizeBytes("--size", text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", " ", "x", "G", "1.5G", "1GB", "1GiB", "1P", "0x10", "1 G", "+1", "1e9", "１", "--", "1G "})
    void whatIsNotASizeIsNamedAndTheFormIsExplained(String text) {
        assertThatThrownBy(() -> Quantities.sizeBytes("--size", text))
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("bad --size '" + text + "': not a size; write a number of bytes")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.USAGE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "0K", "-1", "-5G", "-0"})
    void aSizeIsAtLeastOneByte(String text) {
        assertThatThrownBy(() -> Quantities.sizeBytes("--size", text))
                .hasMessage("bad --size '" + text + "': must be at least 1 byte");
    }

    @ParameterizedTest
    @ValueSource(strings = {"9223372036854775808", "8388608T", "99999999999999999999999", "9007199254740992K"})
    void aSizeThatOverflowsIsRefusedWithTheLimit(String text) {
        assertThatThrownBy(() -> Quantities.sizeBytes("--size", text))
                .hasMessageContaining("too large, the limit is 9223372036854775807 bytes");
    }

    @Test
    void aVeryLongValueIsCutInTheMessage() {
        assertThatThrownBy(() -> Quantities.sizeBytes("--size", "9".repeat(10_000)))
                .satisfies(e -> assertThat(e.getMessage().length()).isLessThan(200));
    }

    private static Duration duration(String text) throws Refusal {
        return Quantities.duration("--interval", text, Duration.ofMillis(20), Duration.ofHours(1));
    }

    @ParameterizedTest
    @CsvSource({"20ms,20", "500ms,500", "1s,1000", "2m,120000", "1h,3600000", "60m,3600000"})
    void durationsHaveAUnit(String text, long millis) throws Refusal {
        assertThat(duration(text)).isEqualTo(Duration.ofMillis(millis));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1", "s", "1.5s", "1 s", "1d", "1S", "soon"})
    void whatIsNotADurationIsNamedAndTheFormIsExplained(String text) {
        assertThatThrownBy(() -> duration(text))
                .hasMessage("bad --interval '" + text + "': not a duration; write 500ms, 1s, 2m or 1h");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0s", "19ms", "-1s", "61m", "2h", "99999999999999999h", "9223372036854775807h"})
    void aDurationOutOfRangeIsRefusedWithTheRange(String text) {
        assertThatThrownBy(() -> duration(text)).hasMessage("bad --interval '" + text + "': must be 20ms to 1h");
    }

    @ParameterizedTest
    @CsvSource({
        "0,0 bytes",
        "999,999 bytes",
        "1000,0.98 KiB",
        "1024,1.00 KiB",
        "10240,10.0 KiB",
        "102400,100 KiB",
        "1073741824,1.00 GiB",
        "9223372036854775807,8.00 EiB"
    })
    void bytesAreShownWithThreeDigits(long bytes, String text) {
        assertThat(Quantities.ofBytes(bytes)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "1,1 byte",
        "4096,4 KiB",
        "1073741824,1 GiB",
        "1073741825,1.00 GiB",
        "1536,1.50 KiB",
        "1610612736,1536 MiB"
    })
    void aSizeThatIsWholeIsShownWhole(long bytes, String text) {
        assertThat(Quantities.ofSize(bytes)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({"0,0.00 s", "0.256,0.26 s", "12.4,12 s", "200,3 min 20 s", "7500,2 h 5 min"})
    void secondsAreShownAsPeopleSayThem(double seconds, String text) {
        assertThat(Quantities.ofSeconds(seconds)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "0,0",
        "999,999",
        "1000,0.98K",
        "1024,1.00K",
        "12900000,12.3M",
        "999500000,953M",
        "1099511627776,1.00T",
        "9223372036854775807,8.00E"
    })
    void aColumnOfFiveCellsHoldsAnySize(long bytes, String text) {
        assertThat(Quantities.shortBytes(bytes)).isEqualTo(text).hasSizeLessThanOrEqualTo(5);
    }

    @ParameterizedTest
    @CsvSource({"0,0", "0.4,0", "999,999", "1000,1.00k", "12345,12.3k", "999499,999k", "1e30,1000000000000E"})
    void countsAreShortenedByThousands(double count, String text) {
        assertThat(Quantities.shortCount(count)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "0,0.00 us",
        "1.2e-5,12.0 us",
        "9.996e-4,1.00 ms",
        "0.0123,12.3 ms",
        "0.9994,999 ms",
        "0.9996,1.00 s",
        "42,42 s"
    })
    void shortTimesHaveThreeDigits(double seconds, String text) {
        assertThat(Quantities.ofShortTime(seconds)).isEqualTo(text);
    }
}
