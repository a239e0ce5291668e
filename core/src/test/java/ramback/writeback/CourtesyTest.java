package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import ramback.clock.ManualClock;

class CourtesyTest {
    private final ManualClock clock = new ManualClock();
    private boolean writeBehindIsUrgent;
    private final Courtesy courtesy = new Courtesy(clock, () -> writeBehindIsUrgent);

    private void assertCareful(boolean careful) {
        assertThat(courtesy.rangeBytes()).isEqualTo(careful ? Courtesy.RANGE_BYTES_MIN : Courtesy.RANGE_BYTES_MAX);
        assertThat(courtesy.mayQueue(0)).isTrue();
        assertThat(courtesy.mayQueue(1)).isEqualTo(!careful);
    }

    @Test
    void aSlowDiskIsNotQueuedFullWhileSomebodyWaitsForIt() {
        courtesy.noteRange(1 << 20, 15_000_000);
        courtesy.noteDemand();
        assertCareful(true);
    }

    @Test
    void aSlowDiskIsKeptBusyWhileNobodyWaits() {
        courtesy.noteRange(1 << 20, 15_000_000);
        assertCareful(false);
        courtesy.noteDemand();
        clock.pass(2_000_000_000L);
        assertCareful(false);
    }

    @Test
    void aFastDiskIsKeptBusyAlways() {
        courtesy.noteRange(1 << 20, 500_000);
        courtesy.noteDemand();
        assertCareful(false);
    }

    @Test
    void aDiskThatIsNotKnownYetGetsTheSmallestRanges() {
        assertThat(courtesy.rangeBytes()).isEqualTo(Courtesy.RANGE_BYTES_MIN);
        assertThat(courtesy.mayQueue(3)).isTrue();
    }

    /** With 4 ranges of 4 MiB queued at a disk of 2 MB/s the first demand waited for more than 8 s, and the disk seemed not to answer. */
    @Test
    void noMoreIsQueuedThanTheDiskReadsInAMomentThoughNobodyWaits() {
        courtesy.noteRange(4 << 20, Courtesy.MOMENT_NANOS);
        assertThat(courtesy.rangeBytes()).isEqualTo(4 << 20);
        assertThat(courtesy.mayQueue(1)).isTrue();
        for (int i = 0; i < 30; i++) {
            courtesy.noteRange(2 << 20, Courtesy.MOMENT_NANOS - 1);
        }
        assertThat(courtesy.rangeBytes()).isEqualTo(2 << 20);
        assertThat(courtesy.mayQueue(1)).isTrue();
        for (int i = 0; i < 30; i++) {
            courtesy.noteRange(1 << 20, 4 * Courtesy.MOMENT_NANOS);
        }
        assertThat(courtesy.rangeBytes()).isEqualTo(Courtesy.RANGE_BYTES_MIN);
        assertThat(courtesy.mayQueue(1)).isFalse();
        assertThat(courtesy.mayQueue(0)).isTrue();
    }

    @Test
    void itFollowsADiskThatChanges() {
        courtesy.noteDemand();
        courtesy.noteRange(1 << 20, 500_000);
        for (int i = 0; i < 20; i++) {
            courtesy.noteRange(4 << 20, 60_000_000);
        }
        assertCareful(true);
        for (int i = 0; i < 20; i++) {
            courtesy.noteRange(4 << 20, 2_000_000);
        }
        assertCareful(false);
    }

    @Test
    void aSlowDiskIsNotQueuedFullWhileSomebodyWaitsForWriteBehind() {
        courtesy.noteRange(1 << 20, 15_000_000);
        writeBehindIsUrgent = true;
        assertCareful(true);
        writeBehindIsUrgent = false;
        assertCareful(false);
    }
}
