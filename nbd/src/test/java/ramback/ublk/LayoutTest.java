package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.nbd.RamDevice;

/** What the driver is told lies where the header has it. */
final class LayoutTest {

    private static ByteBuffer bytes(int count, java.util.function.Consumer<MemorySegment> writer) {
        MemorySegment segment = Arena.ofAuto().allocate(count, 8).fill((byte) 0x55);
        writer.accept(segment);
        return ByteBuffer.wrap(segment.toArray(JAVA_BYTE)).order(ByteOrder.nativeOrder());
    }

    @Test
    void deviceInfoComesBackAsItWent() {
        DeviceInfo info = new DeviceInfo(2, 128, DeviceInfo.LIVE, 1 << 20, 7, 4711, 0xd8, DeviceInfo.markOf("disk"));
        MemorySegment segment = Arena.ofAuto().allocate(DeviceInfo.BYTES, 8).fill((byte) 0x55);
        info.writeTo(segment);
        assertThat(DeviceInfo.of(segment)).isEqualTo(info);
    }

    @Test
    void deviceInfoLiesAsInTheHeader() {
        DeviceInfo info = new DeviceInfo(2, 128, DeviceInfo.QUIESCED, 1 << 20, -1, 4711, 0xd8, 9);
        ByteBuffer written = bytes(DeviceInfo.BYTES, info::writeTo);
        assertThat(written.getShort()).isEqualTo((short) 2); // nr_hw_queues
        assertThat(written.getShort()).isEqualTo((short) 128); // queue_depth
        assertThat(written.getShort()).isEqualTo((short) 2); // state
        assertThat(written.getShort()).isZero();
        assertThat(written.getInt()).isEqualTo(1 << 20); // max_io_buf_bytes
        assertThat(written.getInt()).isEqualTo(-1); // dev_id
        assertThat(written.getInt()).isEqualTo(4711); // ublksrv_pid
        assertThat(written.getInt()).isZero();
        assertThat(written.getLong()).isEqualTo(0xd8); // flags
        assertThat(written.getLong()).isEqualTo(9); // ublksrv_flags
        assertThat(written.getLong()).isZero();
    }

    @Test
    void parametersLieAsInTheHeader() {
        ByteBuffer written = bytes(Parameters.BYTES, new Parameters(5L << 40, 64 << 10, true)::writeTo);
        assertThat(written.getInt()).isEqualTo(60); // len
        assertThat(written.getInt()).isEqualTo(3); // types: basic, discard
        assertThat(written.getInt()).isEqualTo(1 | 4 | 8); // read-only, volatile cache, FUA
        assertThat(written.get()).isEqualTo((byte) 9); // logical
        assertThat(written.get()).isEqualTo((byte) 12); // physical
        assertThat(written.get()).isEqualTo((byte) 16); // io_opt
        assertThat(written.get()).isEqualTo((byte) 16); // io_min
        assertThat(written.getInt()).isEqualTo(2048); // max_sectors
        assertThat(written.getInt()).isZero(); // chunk_sectors
        assertThat(written.getLong()).isEqualTo(5L << 31); // dev_sectors
        assertThat(written.getLong()).isZero(); // virt_boundary_mask
        assertThat(written.getInt()).isZero(); // discard_alignment
        assertThat(written.getInt()).isEqualTo(64 << 10); // discard_granularity
        assertThat(written.getInt()).isEqualTo(1 << 21); // max_discard_sectors
        assertThat(written.getInt()).isEqualTo(1 << 21); // max_write_zeroes_sectors
        assertThat(written.getShort()).isEqualTo((short) 1); // max_discard_segments
        assertThat(written.getShort()).isZero();
    }

    @Test
    void aSizeIsAWholeNumberOfSectors() {
        assertThat(Parameters.of(RamDevice.ofSize(1535)).sizeBytes()).isEqualTo(1024);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void parametersComeBackAsTheyWent(boolean readOnly) {
        Parameters parameters = new Parameters(7 << 9, 1 << 16, readOnly);
        MemorySegment segment = Arena.ofAuto().allocate(Parameters.BYTES, 8);
        parameters.writeTo(segment);
        assertThat(Parameters.of(segment)).isEqualTo(parameters);
    }

    /** As the C preprocessor has them. */
    @ParameterizedTest
    @CsvSource({"4, 32, c0207504", "6, 32, c0207506", "32, 16, c0107520", "33, 16, c0107521"})
    void commandsAreEncodedAsIoctls(int number, int argumentBytes, String encoded) {
        assertThat(Integer.toHexString(Uapi.iowr(number, argumentBytes))).isEqualTo(encoded);
    }

    @Test
    void commandsThatOnlyAskAreEncodedSo() {
        assertThat(Integer.toHexString(Uapi.ior(0x13, 32))).isEqualTo("80207513");
    }

    @Test
    void aMarkIsOursAndTellsNamesApart() {
        DeviceInfo ours = new DeviceInfo(1, 1, 0, 0, 0, 0, 0, DeviceInfo.markOf("a"));
        DeviceInfo others = new DeviceInfo(1, 1, 0, 0, 0, 0, 0, 0);
        assertThat(ours.isOurs()).isTrue();
        assertThat(others.isOurs()).isFalse();
        assertThat(DeviceInfo.markOf("a")).isNotEqualTo(DeviceInfo.markOf("b"));
    }
}
