package ramback.journal;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.NotEmpty;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.BeforeProperty;
import org.junit.jupiter.api.Test;
import ramback.journal.StateFile.CleanImage;
import ramback.journal.StateFile.Reading;

/** A state says what was written, or that it can't be read; nothing else. */
class StateFileTest {

    private static final UUID DEVICE = UUID.fromString("0f8fad5b-d9cb-469f-a165-70867728950e");
    private static final String BOOT = "6f1f6d1b-3c0a-4c4e-9b1c-1d6b0a0d7d55";

    private StateFile state;

    @BeforeProperty
    @org.junit.jupiter.api.BeforeEach
    void makeState() {
        state = new StateFile(DEVICE, 0xc0ffee, 1, "checkpoint", "/d/disk.img.journal", "/m/disk.ram", BOOT, null);
    }

    private static StateFile whole(byte[] bytes) {
        assertThat(StateFile.decode(bytes)).isInstanceOf(Reading.Whole.class);
        return ((Reading.Whole) StateFile.decode(bytes)).state();
    }

    private static byte[] sealed(String body) {
        CRC32C crc = new CRC32C();
        crc.update(body.getBytes(US_ASCII));
        return (body + "crc32c: " + HexFormat.of().toHexDigits((int) crc.getValue()) + "\n").getBytes(US_ASCII);
    }

    private static String reason(byte[] bytes) {
        assertThat(StateFile.decode(bytes)).isInstanceOf(Reading.Damaged.class);
        return ((Reading.Damaged) StateFile.decode(bytes)).reason();
    }

    private String body() {
        String text = new String(state.encode(), US_ASCII);
        return text.substring(0, text.indexOf("crc32c: "));
    }

    @Test
    void theFormatIsTheDocumentedOne() {
        assertThat(body()).isEqualTo("""
                        ramback-state: 1
                        device: 0f8fad5b-d9cb-469f-a165-70867728950e
                        generation: 0000000000c0ffee
                        generation-before: 0000000000000001
                        mode: checkpoint
                        journal: /d/disk.img.journal
                        segment: /m/disk.ram
                        boot: 6f1f6d1b-3c0a-4c4e-9b1c-1d6b0a0d7d55
                        clean: no
                        """);
    }

    @Test
    void aCleanStateSaysWhatTheImageWasLike() {
        StateFile clean = state.cleaned(new CleanImage(1 << 30, 1_700_000_000_123_456_789L, -5), null);
        assertThat(whole(clean.encode())).isEqualTo(clean);
        assertThat(clean.isClean()).isTrue();
        assertThat(clean.segment()).isNull();
        assertThat(new String(clean.encode(), US_ASCII)).contains("clean: yes\nsize: 1073741824\nmodified: 1700000000");
    }

    @Test
    void whatWasLostAndWhatIsSuspectIsSaidOnlyWhereThereIsSomething() {
        StateFile told = state.withExportGeneration(3)
                .suspecting(List.of(new StateFile.Blocks(2, 2), new StateFile.Blocks(7, 9)));
        assertThat(whole(told.encode())).isEqualTo(told);
        assertThat(new String(told.encode(), US_ASCII))
                .contains("clean: no\nexport-generation: 3\nsuspect: 2 7-9\ncrc32c: ");
        assertThat(told.inMode("unsafe").exportGeneration()).isEqualTo(3);
        assertThat(told.cleaned(new CleanImage(1, 2, 3), null).suspect()).isEqualTo(told.suspect());
        assertThat(whole(state.encode()).suspect()).isEmpty();
    }

    @Test
    void moreSuspectRangesThanFitAreJoined() {
        List<StateFile.Blocks> every = LongStream.range(0, 5000)
                .mapToObj(i -> new StateFile.Blocks(2 * i, 2 * i))
                .toList();
        StateFile told = state.suspecting(every);
        assertThat(told.suspect()).hasSize(StateFile.SUSPECT_COUNT_MAX);
        assertThat(told.suspect().getLast()).isEqualTo(new StateFile.Blocks(1998, 9998));
        assertThat(whole(told.encode())).isEqualTo(told);
    }

    @Test
    void suspectRangesOutOfOrderAreDamage() {
        for (String ranges : List.of("", "3 3", "5-4", "7 3", "x", "1-", "-1", "1  2")) {
            assertThat(reason(sealed(body() + "suspect: " + ranges + "\n")))
                    .as(ranges)
                    .contains("'suspect'");
        }
    }

    @Property
    void whatWasWrittenIsRead(
            @ForAll long generation, @ForAll long before, @ForAll @NotEmpty String journal, @ForAll String segment) {
        // Any file name is possible, the words that stand for nothing are not: paths are absolute.
        StateFile any = new StateFile(DEVICE, generation, before, "unsafe", "/" + journal, "/" + segment, BOOT, null);
        assertThat(whole(any.encode())).isEqualTo(any);
    }

    @Test
    void anyFlippedBitIsFound() {
        byte[] bytes = state.cleaned(new CleanImage(4096, 1, 2), null).encode();
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            bytes[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(StateFile.decode(bytes)).as("bit %d", bit).isInstanceOf(Reading.Damaged.class);
            bytes[bit / 8] ^= (byte) (1 << bit % 8);
        }
    }

    @Test
    void anyMissingEndIsFound() {
        byte[] bytes = state.encode();
        for (int length = 0; length < bytes.length; length++) {
            assertThat(StateFile.decode(java.util.Arrays.copyOf(bytes, length)))
                    .as("length %d", length)
                    .isInstanceOf(Reading.Damaged.class);
        }
    }

    @Property(tries = 5_000)
    void anyBytesHaveAnAnswer(@ForAll @Size(max = 300) byte[] bytes) {
        assertThat(StateFile.decode(bytes)).isInstanceOf(Reading.Damaged.class);
    }

    @Property(tries = 5_000)
    void anyTextWithTheRightChecksumHasAnAnswer(@ForAll @Size(max = 12) java.util.List<Integer> edits) {
        StringBuilder text = new StringBuilder(body());
        for (int edit : edits) {
            int at = Math.floorMod(edit, text.length());
            text.setCharAt(at, (char) ('\n' + Math.floorMod(edit >> 8, 0x7e - '\n')));
        }
        StateFile.decode(sealed(text.toString()));
    }

    @Test
    void aNewerFormatIsNotCalledDamaged() {
        byte[] newer = sealed(body().replace("ramback-state: 1\n", "ramback-state: 2\n") + "what: ever\n");
        assertThat(StateFile.decode(newer)).isEqualTo(new Reading.Newer("2"));
    }

    @Test
    void aKeyThatIsNotKnownIsPassedOver() {
        assertThat(whole(sealed(body() + "colour: green\n"))).isEqualTo(state);
    }

    @Test
    void whatIsWrongIsSaid() {
        assertThat(reason(new byte[0])).isEqualTo("it is empty");
        assertThat(reason(new byte[] {1, 2, 3})).isEqualTo("it is not text");
        assertThat(reason("hello\n".getBytes(US_ASCII))).isEqualTo("its checksum does not fit");
        assertThat(reason(new byte[StateFile.LENGTH_BYTES_MAX + 1])).isEqualTo("it is longer than 65536 bytes");
        assertThat(reason(sealed("hello\n"))).isEqualTo("a line of it is not 'key: value'");
        assertThat(reason(sealed("hello: you\n"))).isEqualTo("it does not begin with 'ramback-state'");
        assertThat(reason(sealed(body() + "mode: unsafe\n"))).isEqualTo("it says 'mode' twice");
        assertThat(reason(sealed(body().replace("clean: no\n", "")))).isEqualTo("it lacks 'clean'");
        assertThat(reason(sealed(body().replace("clean: no", "clean: maybe"))))
                .isEqualTo("its 'clean' is neither yes nor no");
        assertThat(reason(sealed(body().replace("clean: no", "clean: yes")))).isEqualTo("it lacks 'size'");
        assertThat(reason(sealed(body().replace("/d/", "/\\u12")))).isEqualTo("its 'journal' can't be read");
        assertThat(reason(sealed(body().replace("0000000000c0ffee", "coffee"))))
                .isEqualTo("its 'generation' can't be read");
    }
}
