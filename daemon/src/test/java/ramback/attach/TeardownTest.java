package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is taken apart, and what must not be, on a machine that is made up. */
class TeardownTest {

    @TempDir
    Path temporary;

    private final RemovingWays ways = new RemovingWays();
    private Path directory;
    private FakeMachine machine;

    /** Notes what it is to remove. */
    private static final class RemovingWays implements Ways {

        final List<String> removed = new ArrayList<>();

        @Override
        public String unavailable(Via via) {
            return "";
        }

        @Override
        public LocalDisk make(Via via, Offer offer) throws IOException {
            throw new IOException("not now");
        }

        @Override
        public LocalDisk recover(AttachRecord record, Offer offer) throws IOException {
            throw new IOException("not now");
        }

        @Override
        public List<AttachRecord> find(Path of, Path socket) {
            return List.of();
        }

        @Override
        public void remove(AttachRecord record, Path of, Path socket) {
            removed.add(record.diskName());
        }
    }

    @BeforeEach
    void make() throws IOException {
        directory = Files.createDirectories(temporary.toRealPath().resolve("run/disk"));
        machine = new FakeMachine(temporary.resolve("root"));
    }

    private Teardown teardown() {
        return new Teardown(machine.root, directory, "disk", new Tools(Map.of()));
    }

    /** As {@code detach} does it where no daemon lives. */
    private void takeApart() throws Exception {
        Path socket = directory.resolve("nbd.sock");
        Teardown teardown = teardown();
        teardown.removeWaiting(ways, socket);
        teardown.unmount();
        teardown.release(false);
        teardown.removeDead(ways, socket);
        teardown.removeLink();
    }

    private AttachRecord recorded() throws IOException {
        machine.disk("ublkb2", "259:4").attribute("ublkb2", "diskseq", "9");
        AttachRecord record = AttachRecord.ofDisk(new BlockDevices(machine.root), Via.UBLK, 2, FakeMachine.life(0));
        record.write(directory);
        return record;
    }

    @Test
    void aRecordedBlockDeviceIsRemoved() throws Exception {
        recorded();
        assertThat(teardown().forgetGone()).isEmpty();
        takeApart();
        assertThat(ways.removed).contains("ublkb2");
        assertThat(AttachRecord.read(directory)).isEmpty();
    }

    @Test
    void ofAStaleRecordOnlyTheRecordIsRemoved() throws Exception {
        recorded();
        machine.attribute("ublkb2", "diskseq", "10").mount("259:4", "/srv", "xfs", "/dev/ublkb2");
        Path link = StableName.give(machine.root, "other", Path.of("/dev/ublkb2"));
        assertThat(teardown().forgetGone()).contains("/dev/ublkb2 is another's by now");
        assertThat(AttachRecord.read(directory)).isEmpty();
        takeApart();
        assertThat(ways.removed).isEmpty();
        assertThat(link).isSymbolicLink();
    }

    @Test
    void oneWhoseBlockDeviceIsGoneIsForgottenAsWell() throws Exception {
        assertThat(teardown().forgetGone()).isEqualTo(Optional.empty());
        recorded();
        Files.delete(machine.root.resolve("sys/block/ublkb2/diskseq"));
        Files.delete(machine.root.resolve("sys/block/ublkb2"));
        assertThat(teardown().forgetGone()).contains("/dev/ublkb2 is there no more");
        assertThat(AttachRecord.read(directory)).isEmpty();
    }
}
