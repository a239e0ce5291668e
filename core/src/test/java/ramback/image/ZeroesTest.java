package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class ZeroesTest {

    @Property(tries = 500)
    void oneByteThatIsSomethingElseIsFoundWithinTheRangeAndNowhereElse(
            @ForAll @IntRange(min = 0, max = 40) int begin,
            @ForAll @IntRange(min = 0, max = 80) int length,
            @ForAll @IntRange(min = 0, max = 127) int at) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(128);
            assertThat(Zeroes.fill(bytes, begin, length)).isTrue();
            bytes.set(ValueLayout.JAVA_BYTE, at, (byte) 0x80);
            assertThat(Zeroes.fill(bytes, begin, length)).isEqualTo(at < begin || at >= begin + length);
        }
    }
}
