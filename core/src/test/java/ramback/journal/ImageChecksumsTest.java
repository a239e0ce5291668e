package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import ramback.journal.ImageChecksums.Reading;

/** Checksums say what was written, or that they are of no use; nothing else. */
class ImageChecksumsTest {

    private static final UUID DEVICE = UUID.fromString("0f8fad5b-d9cb-469f-a165-70867728950e");
    private static final long GENERATION = 0xc0ffee;
    private static final int MIB = ImageChecksums.BLOCK_BYTES;

    /** Five blocks, the last one of 100 bytes: zero, zero, two of data, unknown. */
    private static ImageChecksums sample() {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(4L * MIB + 100);
        builder.addZero(2);
        builder.addData(0x11223344);
        builder.addData(-2);
        builder.addUnknown(1);
        return builder.build();
    }

    private static Reading read(byte[] bytes) {
        return ImageChecksums.decode(bytes, DEVICE, GENERATION, 4L * MIB + 100);
    }

    private static String reason(Reading reading) {
        assertThat(reading).isInstanceOf(Reading.Useless.class);
        return ((Reading.Useless) reading).reason();
    }

    @Test
    void theFormatIsTheDocumentedOne() {
        byte[] file = sample().encode(DEVICE, GENERATION);
        assertThat(HexFormat.of().formatHex(file))
                .isEqualTo("52414d4241434b5801000000" + "f2f83759" // magic, version, checksum
                        + "0f8fad5bd9cb469fa16570867728950e" // device
                        + "eeffc00000000000" + "6400400000000000" // generation, size of the image
                        + "00001000" + "03000000" + "0000000000000000" // size of a block, number of runs
                        + "01000000" + "02000000" // two of zeroes
                        + "02000000" + "02000000" + "44332211" + "feffffff" // two of data
                        + "00000000" + "01000000"); // one unknown
    }

    @Test
    void whatWasWrittenIsRead() {
        byte[] file = sample().encode(DEVICE, GENERATION);
        assertThat(file.length).isLessThanOrEqualTo((int) ImageChecksums.lengthBytesMax(4L * MIB + 100));
        assertThat(read(file)).isInstanceOf(Reading.Whole.class);
        ImageChecksums checksums = ((Reading.Whole) read(file)).checksums();
        assertThat(checksums.encode(DEVICE, GENERATION)).isEqualTo(file);
        assertThat(checksums.blockCount()).isEqualTo(5);
        assertThat(checksums.lengthOf(4)).isEqualTo(100);
        assertThat(checksums.isZero(1)).isTrue();
        assertThat(checksums.fits(2, 0x11223344)).isTrue();
        assertThat(checksums.fits(2, 0x11223345)).isFalse();
        assertThat(checksums.fits(3, -2)).isTrue();
        assertThat(checksums.isKnown(3)).isTrue();
        assertThat(checksums.isKnown(4)).isFalse();
        assertThat(checksums.unknownCount()).isEqualTo(1);
        assertThat(checksums.lastAlike(0)).isEqualTo(3);
        assertThat(checksums.lastAlike(4)).isEqualTo(4);
    }

    @Test
    void zeroesHaveTheirChecksumInAnyLength() {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(MIB + 4097);
        builder.addZero(2);
        ImageChecksums checksums = builder.build();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment zeroes = arena.allocate(MIB);
            assertThat(checksums.fits(0, ImageChecksums.crcOf(zeroes))).isTrue();
            assertThat(checksums.fits(1, ImageChecksums.crcOf(zeroes.asSlice(0, 4097))))
                    .isTrue();
            assertThat(checksums.fits(1, ImageChecksums.crcOf(zeroes))).isFalse();
            ImageChecksums.Builder asData = new ImageChecksums.Builder(MIB + 4097);
            asData.addData(ImageChecksums.crcOf(zeroes));
            asData.addData(ImageChecksums.crcOf(zeroes.asSlice(0, 4097)));
            assertThat(asData.build().encode(DEVICE, 1)).isEqualTo(checksums.encode(DEVICE, 1));
        }
    }

    @Test
    void holesCostNothing() {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(1L << 44);
        builder.addZero(1 << 23);
        builder.addData(7);
        builder.addZero((1 << 24) - (1 << 23) - 1);
        assertThat(builder.build().encode(DEVICE, GENERATION)).hasSize(64 + 3 * 8 + 4);
    }

    @Test
    void anyFlippedBitIsFound() {
        byte[] file = sample().encode(DEVICE, GENERATION);
        for (int bit = 0; bit < file.length * 8; bit++) {
            file[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(read(file)).as("bit %d", bit).isInstanceOf(Reading.Useless.class);
            file[bit / 8] ^= (byte) (1 << bit % 8);
        }
    }

    @Test
    void anyMissingEndIsFound() {
        byte[] file = sample().encode(DEVICE, GENERATION);
        for (int length = 0; length < file.length; length++) {
            assertThat(read(Arrays.copyOf(file, length)))
                    .as("length %d", length)
                    .isInstanceOf(Reading.Useless.class);
        }
        assertThat(read(Arrays.copyOf(file, file.length + 1))).isInstanceOf(Reading.Useless.class);
    }

    @Test
    void checksumsOfAnotherStopAreUseless() {
        byte[] file = sample().encode(DEVICE, GENERATION);
        long size = sample().imageBytes();
        assertThat(reason(ImageChecksums.decode(file, DEVICE, 1, size))).contains("another stop");
        assertThat(reason(ImageChecksums.decode(file, new UUID(1, 2), GENERATION, size)))
                .contains("another stop");
        assertThat(reason(ImageChecksums.decode(file, DEVICE, GENERATION, size + 1)))
                .contains("another size");
        assertThat(reason(ImageChecksums.decode(new byte[64], DEVICE, GENERATION, size)))
                .contains("no file of checksums");
        file[8] = 2;
        assertThat(reason(ImageChecksums.decode(file, DEVICE, GENERATION, size)))
                .contains("format 2, and this ramback reads 1");
    }

    @Property(tries = 2_000)
    void anyBytesHaveAnAnswer(@ForAll @Size(max = 200) byte[] bytes) {
        assertThat(read(bytes)).isInstanceOf(Reading.Useless.class);
    }

    @Property(tries = 500)
    void anyRunsAreRead(@ForAll @LongRange(min = 1, max = 200L << 20) long imageBytes, @ForAll int seed) {
        Random random = new Random(seed);
        ImageChecksums.Builder builder = new ImageChecksums.Builder(imageBytes);
        ImageChecksums nothing = ImageChecksums.unknown(imageBytes);
        while (builder.nextBlock() < nothing.blockCount()) {
            long left = nothing.blockCount() - builder.nextBlock();
            switch (random.nextInt(3)) {
                case 0 -> builder.addUnknown(random.nextLong(left + 1));
                case 1 -> builder.addZero(random.nextLong(left + 1));
                default -> builder.addData(random.nextInt());
            }
        }
        ImageChecksums checksums = builder.build();
        byte[] file = checksums.encode(DEVICE, seed);
        assertThat((long) file.length).isLessThanOrEqualTo(ImageChecksums.lengthBytesMax(imageBytes));
        ImageChecksums read = ((Reading.Whole) ImageChecksums.decode(file, DEVICE, seed, imageBytes)).checksums();
        ImageChecksums.Builder again = new ImageChecksums.Builder(imageBytes);
        while (again.nextBlock() < read.blockCount()) {
            again.addAs(read);
        }
        assertThat(again.build().encode(DEVICE, seed)).isEqualTo(file);
    }

    @Test
    void aBuilderTakesEachBlockOnce() {
        ImageChecksums.Builder builder = new ImageChecksums.Builder(2L * MIB);
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(builder::build);
        assertThatExceptionOfType(IllegalArgumentException.class).isThrownBy(() -> builder.addZero(3));
    }
}
