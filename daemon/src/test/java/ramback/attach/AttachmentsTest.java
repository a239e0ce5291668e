package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.engine.DeviceLife;
import ramback.engine.Refusal;
import ramback.traffic.Traffic;

/** The daemon's side, with ways that only note how they are gone; the kernel has none of their block devices. */
class AttachmentsTest {

    @TempDir
    Path directory;

    @TempDir
    Path root;

    private NotingWays ways;
    private FakeMachine machine;

    @BeforeEach
    void make() throws IOException {
        machine = new FakeMachine(root);
        ways = new NotingWays(root.resolve("sys/block"));
    }

    private static final class NotingWays implements Ways {

        final Path disks;
        final List<String> done = new ArrayList<>();
        final List<AttachRecord> unrecorded = new ArrayList<>();
        String unavailable = "";
        boolean isMaking = true;
        boolean isAlive = true;
        boolean isBroken;

        NotingWays(Path disks) {
            this.disks = disks;
        }

        @Override
        public String unavailable(Via via) {
            return unavailable;
        }

        @Override
        public LocalDisk make(Via via, Offer offer, int connectionCount) throws IOException {
            if (!isMaking) {
                throw new IOException("the kernel has none");
            }
            return new Disk(via, offer.life());
        }

        @Override
        public LocalDisk recover(AttachRecord record, Offer offer) {
            done.add("recover " + record.text());
            return new Disk(record.via(), offer.life());
        }

        @Override
        public List<AttachRecord> find(Path of, Path socket) {
            return unrecorded;
        }

        @Override
        public void remove(AttachRecord record, Path of, Path socket) throws IOException {
            done.add("remove " + record.text());
            Files.deleteIfExists(disks.resolve(record.diskName()));
        }

        /** Number 7 of its kind. */
        private final class Disk implements LocalDisk {

            private final Via via;
            private final DeviceLife life;

            Disk(Via via, DeviceLife life) {
                this.via = via;
                this.life = life;
            }

            @Override
            public Via via() {
                return via;
            }

            @Override
            public Path path() {
                return Path.of("/dev/" + via.word() + "7");
            }

            @Override
            public Optional<AttachRecord> record() {
                return Optional.of(new AttachRecord(via, 7, life));
            }

            @Override
            public boolean isAlive() {
                return isAlive;
            }

            @Override
            public void close() {
                done.add("close " + via.word());
                if (isBroken) {
                    throw new IllegalStateException("broken");
                }
            }

            @Override
            public Optional<AttachRecord> leave() {
                done.add("leave " + via.word());
                return via == Via.FUSE ? Optional.of(new AttachRecord(via, 33, life)) : Optional.empty();
            }
        }
    }

    /** As much of a device as has a name. */
    private static final class NamedDevice implements Device {
        @Override
        public String name() {
            return "disk";
        }

        @Override
        public long sizeBytes() {
            return 4096;
        }

        @Override
        public int chunkBytes() {
            return 4096;
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public int sessionCountMax() {
            return 1;
        }

        @Override
        public DeviceSession openSession() {
            throw new IllegalStateException();
        }
    }

    private Attachments attachments(long exportGeneration) {
        return attachments(FakeMachine.life(exportGeneration), 0);
    }

    private Attachments attachments(DeviceLife life, long generationBefore) {
        Offer offer = new Offer(
                new NamedDevice(),
                new Traffic(),
                directory,
                directory.resolve("nbd.sock"),
                life,
                generationBefore,
                List.of());
        return new Attachments(root, offer, ways, new Tools(Map.of()));
    }

    private static String text(String disk, long exportGeneration) {
        return disk + " 00000000-0000-0001-0000-000000000002 ab " + exportGeneration;
    }

    private String record() throws IOException {
        Path file = directory.resolve("attachment");
        return Files.exists(file) ? Files.readString(file).strip() : "";
    }

    @Test
    void whatIsAttachedIsRecordedAndIsForgottenWithIt() throws Exception {
        Attachments attachments = attachments(3);
        assertThat(attachments.report()).isNull();
        assertThat(attachments.attach(Via.UBLK, 1).path()).isEqualTo(Path.of("/dev/ublk7"));
        assertThat(record()).isEqualTo(text("ublk 7", 3));
        assertThat(attachments.report()).isNotNull();
        attachments.detach();
        assertThat(ways.done).containsExactly("close ublk");
        assertThat(record()).isEmpty();
        assertThat(attachments.report()).isNull();
        attachments.detach();
        assertThat(ways.done).hasSize(1);
    }

    @Test
    void theSameWayAgainIsTheSameAndAnotherOneIsRefused() throws Exception {
        Attachments attachments = attachments(0);
        LocalDisk first = attachments.attach(Via.NBD, 1);
        assertThat(attachments.attach(Via.NBD, 1)).isSameAs(first);
        assertThatThrownBy(() -> attachments.attach(Via.FUSE, 1))
                .isInstanceOf(Refusal.class)
                .hasMessage("disk is attached by nbd already (/dev/nbd7); 'ramback detach disk' first");
    }

    @Test
    void whatWasTakenAwayByHandIsGivenUpAndMadeAgain() throws Exception {
        Attachments attachments = attachments(0);
        LocalDisk first = attachments.attach(Via.UBLK, 1);
        ways.isAlive = false;
        assertThat(attachments.attach(Via.UBLK, 1)).isNotSameAs(first);
        assertThat(ways.done).containsExactly("close ublk");
    }

    @Test
    void aWayThatCannotBeGoneIsRefusedWithTheReasonAndLeavesNothing() throws Exception {
        Attachments attachments = attachments(0);
        ways.unavailable = "no module; load it";
        assertThatThrownBy(() -> attachments.attach(Via.NBD, 1)).hasMessage("no nbd: no module; load it");
        ways.unavailable = "";
        ways.isMaking = false;
        assertThatThrownBy(() -> attachments.attach(Via.NBD, 1)).hasMessage("no nbd: the kernel has none");
        assertThat(record()).isEmpty();
        assertThat(attachments.report()).isNull();
    }

    @Test
    void aStopIsRefusedAsLongAsItIsAttached() throws Exception {
        Attachments attachments = attachments(0);
        attachments.checkStop();
        attachments.attach(Via.UBLK, 1);
        assertThatThrownBy(attachments::checkStop)
                .isInstanceOfSatisfying(Refusal.class, e -> assertThat(e.kind()).isEqualTo(Refusal.Kind.PROTECTED))
                .hasMessageContaining("'ramback detach disk' first");
        attachments.detach();
        attachments.checkStop();
    }

    @Test
    void aDaemonThatStopsTakesItAwayAndAttachesNothingMore() throws Exception {
        Attachments attachments = attachments(0);
        attachments.attach(Via.UBLK, 1);
        attachments.close();
        assertThat(ways.done).containsExactly("close ublk");
        assertThat(record()).isEmpty();
        assertThatThrownBy(() -> attachments.attach(Via.UBLK, 1)).hasMessage("disk is stopping");
    }

    @Test
    void aStopIsNotKeptUpByWhatGoesWrongInIt() throws Exception {
        Attachments attachments = attachments(0);
        attachments.attach(Via.UBLK, 1);
        ways.isBroken = true;
        attachments.close();
        assertThat(ways.done).containsExactly("close ublk");
    }

    @Test
    void aDaemonThatIsReplacedLeavesTheRecord() throws Exception {
        Attachments attachments = attachments(5);
        attachments.attach(Via.UBLK, 1);
        attachments.leave();
        assertThat(ways.done).containsExactly("leave ublk");
        assertThat(record()).isEqualTo(text("ublk 7", 5));
        assertThat(attachments.keptDescriptors()).isEmpty();
        assertThat(attachments.isLeftForAnother()).isTrue();
        assertThat(attachments(5).isLeftForAnother()).isFalse();
    }

    @Test
    void ofFuseTheDescriptorGoesAlong() throws Exception {
        Attachments attachments = attachments(5);
        attachments.attach(Via.FUSE, 1);
        attachments.leave();
        assertThat(record()).isEqualTo(text("fuse 33", 5));
        assertThat(attachments.keptDescriptors()).containsExactly(33);
    }

    @Test
    void aRecordOfWhatIsGoneIsForgotten() throws Exception {
        new AttachRecord(Via.UBLK, 9_999, FakeMachine.life(0)).write(directory);
        attachments(0).recover();
        assertThat(ways.done).isEmpty();
        assertThat(record()).isEmpty();
    }

    @Test
    void aRecordOfWhatIsAnothersByNowIsForgottenAndThatIsNotTouched() throws Exception {
        machine.disk("ublkb7", "259:0").attribute("ublkb7", "diskseq", "8");
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(0), "7@").write(directory);
        Attachments attachments = attachments(0);
        attachments.recover();
        assertThat(ways.done).isEmpty();
        assertThat(record()).isEmpty();
        assertThat(attachments.report()).isNull();
    }

    @Test
    void aRecordedBlockDeviceIsServedAgain() throws Exception {
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(2)).write(directory);
        ways.unrecorded.add(new AttachRecord(Via.UBLK, 7, AttachRecord.UNKNOWN_LIFE));
        machine.disk("ublkb7", "259:0");
        Attachments attachments = attachments(2);
        attachments.recover();
        assertThat(ways.done).containsExactly(text("recover ublk 7", 2));
        assertThat(record()).isEqualTo(text("ublk 7", 2));
        assertThat(attachments.report()).isEqualTo(new AttachedDisk("ublk", "/dev/ublkb7", List.of(), false));
    }

    @Test
    void whatTheDriverKnowsToBeThisDevicesIsServedAgainThoughItsLifeCannotBeCompared() throws Exception {
        machine.disk("ublkb7", "259:0").attribute("ublkb7", "diskseq", "8");
        ways.unrecorded.add(new AttachRecord(Via.UBLK, 7, AttachRecord.UNKNOWN_LIFE));
        for (String disk : List.of("", "7@")) {
            new AttachRecord(Via.UBLK, 7, FakeMachine.life(2), disk).write(directory);
            ways.done.clear();
            attachments(2).recover();
            assertThat(ways.done).as(disk).hasSize(1).first().asString().startsWith(text("recover ublk 7", 2));
        }
    }

    @Test
    void oneThatKnowsOfWritesThatWereLostIsRemovedInstead() throws Exception {
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(2)).write(directory);
        machine.disk("ublkb7", "259:0");
        Attachments attachments = attachments(3);
        attachments.recover();
        assertThat(ways.done).containsExactly(text("remove ublk 7", 2));
        assertThat(record()).isEmpty();
    }

    @Test
    void itsNameGoesWithItSinceItWouldLeadToWhoeverGetsThatBlockDeviceNext() throws Exception {
        Path link = StableName.give(root, "disk", Path.of("/dev/ublkb7"));
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(2)).write(directory);
        machine.disk("ublkb7", "259:0");
        attachments(3).recover();
        assertThat(ways.done).containsExactly(text("remove ublk 7", 2));
        assertThat(link).doesNotExist();
        assertThat(Files.isSymbolicLink(link)).isFalse();
        assertThat(link.getParent()).doesNotExist();
    }

    @Test
    void theNameOfWhatIsServedAgainStays() throws Exception {
        Path link = StableName.give(root, "disk", Path.of("/dev/ublkb7"));
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(2)).write(directory);
        machine.disk("ublkb7", "259:0");
        attachments(2).recover();
        assertThat(link).isSymbolicLink();
    }

    @Test
    void oneOfAnotherImageUnderTheSameNameIsRemovedInstead() throws Exception {
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(0)).write(directory);
        machine.disk("ublkb7", "259:0");
        attachments(new DeviceLife(UUID.randomUUID(), 0xcd, 0), 0xab).recover();
        assertThat(ways.done).containsExactly(text("remove ublk 7", 0));
        assertThat(record()).isEmpty();
    }

    @Test
    void oneThatMissedAWholeLifeOfItsImageIsRemovedInstead() throws Exception {
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(0)).write(directory);
        machine.disk("ublkb7", "259:0");
        attachments(new DeviceLife(FakeMachine.life(0).device(), 0xcd, 0), 0xcc).recover();
        assertThat(ways.done).containsExactly(text("remove ublk 7", 0));
    }

    @Test
    void oneOfTheLifeBeforeIsServedAgain() throws Exception {
        new AttachRecord(Via.UBLK, 7, FakeMachine.life(0)).write(directory);
        machine.disk("ublkb7", "259:0");
        DeviceLife next = new DeviceLife(FakeMachine.life(0).device(), 0xcd, 0);
        attachments(next, FakeMachine.life(0).generation()).recover();
        assertThat(ways.done).containsExactly(text("recover ublk 7", 0));
        // Where this life ends the next one knows it as the one before.
        assertThat(AttachRecord.read(directory)).map(AttachRecord::life).contains(next);
    }

    @Test
    void whatIsLeftOfAFuseDirectoryIsReportedAndMustBeDetachedFirst() throws Exception {
        machine.loop("loop3", "7:3", directory.toRealPath() + "/fuse/disk", 9)
                .mount("0:41", directory.toRealPath() + "/fuse", "fuse", "ramback")
                .mount("7:3", "/mnt", "ext4", "/dev/loop3");
        Attachments attachments = attachments(0);
        attachments.recover();
        assertThat(attachments.report()).isEqualTo(new AttachedDisk("fuse", "/dev/loop3", List.of("/mnt"), true));
        assertThatThrownBy(() -> attachments.attach(Via.FUSE, 1))
                .hasMessageContaining("something of disk is left from before (/dev/loop3); 'ramback detach disk'");
        assertThatThrownBy(attachments::checkStop).hasMessageContaining("'ramback detach disk' first");
    }

    @Test
    void aBlockDeviceThatNobodyWasToldOfIsRemoved() {
        ways.unrecorded.add(new AttachRecord(Via.UBLK, 4, AttachRecord.UNKNOWN_LIFE));
        Attachments attachments = attachments(0);
        attachments.recover();
        assertThat(ways.done).containsExactly("remove ublk 4 00000000-0000-0000-0000-000000000000 0 -1");
        assertThat(attachments.report()).isNull();
    }
}
