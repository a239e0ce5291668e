package ramback.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.posix.Errno;

class SimDiskTest {

    private static final int PAGE = Write.PAGE_BYTES;

    private final Recording recording = new Recording();
    private final Ill temper = new Ill();
    private final SimDisk disk = new SimDisk(0, "test", 4 * PAGE, new byte[4][], recording, temper);

    /** Fails the next operation of a kind. */
    private static final class Ill implements SimDisk.Temper {
        private Operation failing = Operation.READ;
        private boolean fails;

        @Override
        public int errno(Operation operation) {
            boolean isNow = fails && operation == failing;
            fails &= !isNow;
            return isNow ? Errno.EIO : 0;
        }

        void failNext(Operation operation) {
            failing = operation;
            fails = true;
        }
    }

    private void write(long offset, int length, int value) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(length);
            bytes.fill((byte) value);
            disk.write(offset, bytes);
        }
    }

    private byte read(long offset) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(1);
            disk.read(offset, one);
            return one.get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    @Test
    void whatIsNotSyncedIsReadAllTheSame() throws IOException {
        write(100, 200, 7);
        assertThat(read(100)).isEqualTo((byte) 7);
        assertThat(recording.events()).hasSize(1).first().isInstanceOf(Recording.Began.class);
    }

    @Test
    void aSyncCoversWhatHadBeenWritten() throws IOException {
        write(0, PAGE, 1);
        disk.sync();
        write(PAGE, PAGE, 2);
        Recording.Synced synced = (Recording.Synced) recording.events().get(1);
        assertThat(synced.covered()).extracting(write -> write.offsetBytes).containsExactly(0L);
    }

    @Test
    void aFailedSyncIsReportedOnceAndWhatItWasForIsNotSyncedByTheNext() throws IOException {
        write(0, PAGE, 1);
        temper.failNext(Operation.SYNC);
        assertThatThrownBy(disk::sync).isInstanceOf(BackingIoException.class);
        disk.sync();
        Recording.Dropped dropped = (Recording.Dropped) recording.events().get(1);
        assertThat(dropped.kept().size() + dropped.lost().size()).isEqualTo(1);
        assertThat(((Recording.Synced) recording.events().get(2)).covered()).isEmpty();
        assertThat(read(0)).as("what the cache still shows").isEqualTo((byte) 1);
    }

    @Test
    void aFailedWriteChangesAtMostItsFirstSectors() throws IOException {
        write(0, PAGE, 1);
        temper.failNext(Operation.WRITE);
        assertThatThrownBy(() -> write(0, PAGE, 2)).isInstanceOf(BackingIoException.class);
        assertThat(read(PAGE - 1)).isEqualTo((byte) 1);
    }

    @Test
    void aTornWriteKeepsWholeSectors() throws IOException {
        write(0, PAGE, 1);
        write(0, PAGE, 2);
        byte[][] pages = new byte[4][];
        Recording.Began first = (Recording.Began) recording.events().get(0);
        Recording.Began second = (Recording.Began) recording.events().get(1);
        first.write().applyTo(pages);
        second.write().applyTorn(pages, 0b0000_0101);
        for (int at = 0; at < PAGE; at++) {
            int sector = at / Write.SECTOR_BYTES;
            assertThat(pages[0][at]).isEqualTo((byte) (sector == 0 || sector == 2 ? 2 : 1));
        }
    }
}
