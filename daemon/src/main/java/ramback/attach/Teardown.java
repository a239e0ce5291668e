package ramback.attach;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import ramback.engine.Refusal;
import ramback.posix.Errno;
import ramback.posix.Mount;
import ramback.posix.MountTable;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * Takes an attached device apart, from what is mounted down to the FUSE directory, and says what it took. Each step
 * looks anew at what there is, so that it does not matter what others have done, or not done, before. For one thread.
 */
public final class Teardown {

    private static final long POLL_MILLIS = 20;

    /** For how long those are waited for who open each new device for a moment, such as udev. */
    private static final int PASSING_POLLS_MAX = 150;

    /** What is known of a block device that is taken though nobody who takes it is seen. */
    private static final String CLAIMED =
            "taken by the kernel, for a mount that can't be seen from here or a filesystem that is frozen (then mount it"
                    + " again and 'fsfreeze -u' it)";

    private final Path root;
    private final Path directory;
    private final String name;
    private final Tools tools;
    private final List<String> taken = new ArrayList<>();

    /**
     * @param directory the device's directory, {@code RUNDIR/NAME}
     * @param name the device's name
     */
    public Teardown(Path directory, String name, Tools tools) {
        this(Path.of("/"), directory, name, tools);
    }

    /** @param root the machine's root directory */
    Teardown(Path root, Path directory, String name, Tools tools) {
        this.root = root;
        this.directory = directory;
        this.name = name;
        this.tools = tools;
    }

    /** What has been taken apart so far, a few words each. */
    public List<String> taken() {
        return List.copyOf(taken);
    }

    private Parts parts() throws Refusal {
        try {
            return Parts.find(root, directory);
        } catch (IOException e) {
            throw failed("cannot see what there is of " + name + ": " + e.getMessage(), e);
        }
    }

    private static Refusal failed(String message) {
        return new Refusal(Refusal.Kind.FAILED, message);
    }

    private static Refusal failed(String message, Throwable cause) {
        return new Refusal(Refusal.Kind.FAILED, message, cause);
    }

    // ---------------------------------------------------------------------------------------------- filesystems

    /**
     * Unmounts what is mounted of the device.
     *
     * @throws Refusal when somebody uses it, who is named; or when more was made of the device than filesystems
     */
    public void unmount() throws Refusal, InterruptedException {
        Parts parts = parts();
        checkHolders(parts);
        for (Mount mount : MountTable.unmountable(parts.filesystems())) {
            Optional<Mount> cover = coverOf(mount);
            if (cover.isPresent()) {
                throw failed(covered(mount, cover.get()) + "; unmount that, then 'ramback detach " + name + "' again");
            }
            sync(mount);
            Tools.Result result = tools.run("mount", "umount", mount.where());
            if (isMounted(mount)) {
                throw failed(inUse(mount, result) + "; then 'ramback detach " + name + "' again");
            }
            taken.add("unmounted " + mount.where());
        }
    }

    /**
     * Has a filesystem written out: its unmounting does that only where no other mount namespace has it mounted too.
     * Where it can't be, its unmounting fares no better, and says why.
     */
    private void sync(Mount mount) throws Refusal, InterruptedException {
        tools.run("coreutils", "sync", "-f", mount.where());
    }

    /**
     * A filesystem that is frozen can't be written out, and would keep its block device, and whoever waits to write,
     * for ever. One that is not frozen is not changed.
     */
    private void thaw(Mount mount) throws Refusal, InterruptedException {
        if (tools.find("fsfreeze") != null
                && tools.run("util-linux", "fsfreeze", "--unfreeze", mount.where())
                        .isDone()) {
            taken.add("thawed " + mount.where());
        }
    }

    /** What lies over a mount, so that its directory leads to that instead. */
    private Optional<Mount> coverOf(Mount mount) throws Refusal {
        try {
            return Parts.mountTable(root).coverOf(mount);
        } catch (IOException e) {
            throw failed("cannot read /proc/self/mountinfo: " + e.getMessage(), e);
        }
    }

    private static String covered(Mount mount, Mount cover) {
        return cover.what() + " (" + cover.type() + ") is mounted on " + cover.where() + ", over the " + mount.type()
                + " of " + mount.what();
    }

    /** As above, but who uses it loses it; returns what that was, a line each. */
    List<String> cutOff() throws Refusal, InterruptedException {
        List<String> lost = new ArrayList<>();
        for (Mount mount : MountTable.unmountable(parts().filesystems())) {
            Optional<Mount> cover = coverOf(mount);
            if (cover.isPresent()) {
                tools.run("coreutils", "sync"); // of everything: its own directory leads elsewhere
                lost.add(covered(mount, cover.get()) + ", which can't be unmounted below it");
                continue;
            }
            thaw(mount);
            sync(mount);
            tools.run("mount", "umount", mount.where());
            if (!isMounted(mount)) {
                taken.add("unmounted " + mount.where());
                continue;
            }
            Users users = Users.ofDirectory(root, mount.where());
            Tools.Result result = tools.run("mount", "umount", "-l", mount.where());
            lost.add(mount.where()
                    + (users.isEmpty() ? " is in use" : " is in use by " + users.text())
                    + (result.isDone() ? "" : ", and can't be unmounted: " + result.reason()));
            taken.add("cut off " + mount.where());
        }
        return lost;
    }

    private boolean isMounted(Mount mount) throws Refusal {
        try {
            return Parts.mountTable(root).mounts().contains(mount);
        } catch (IOException e) {
            throw failed("cannot read /proc/self/mountinfo: " + e.getMessage(), e);
        }
    }

    private String inUse(Mount mount, Tools.Result result) throws Refusal {
        Users users = Users.ofDirectory(root, mount.where());
        if (!users.isEmpty()) {
            return mount.where() + " is in use by " + users.text() + "; let them leave it";
        }
        List<String> below;
        try {
            below =
                    Parts.mountTable(root)
                            .where(other -> other.directory().startsWith(mount.directory() + "/"))
                            .stream()
                            .map(Mount::where)
                            .toList();
        } catch (IOException e) {
            throw failed("cannot read /proc/self/mountinfo: " + e.getMessage(), e);
        }
        return below.isEmpty()
                ? "cannot unmount " + mount.where() + ": " + result.reason() + "; find who uses it ('fuser -vm "
                        + mount.where() + "')"
                : String.join(", ", below) + " is mounted below " + mount.where() + "; unmount that first";
    }

    private void checkHolders(Parts parts) throws Refusal {
        List<String> holders = holders(parts);
        if (!holders.isEmpty()) {
            throw failed(holders.getFirst()
                    + "; take that apart (swapoff, vgchange -an, cryptsetup close, mdadm --stop), then 'ramback detach "
                    + name + "' again");
        }
    }

    /** What else than filesystems was made of the device, a line each. */
    private List<String> holders(Parts parts) {
        BlockDevices blocks = new BlockDevices(root);
        List<String> found = new ArrayList<>();
        for (String disk : parts.disks()) {
            for (String member : blocks.family(disk)) {
                if (blocks.isSwap(member)) {
                    found.add("/dev/" + member + " is in use as swap");
                }
                List<String> holders = blocks.holders(member);
                if (!holders.isEmpty()) {
                    found.add("/dev/" + member + " is part of " + String.join(", ", holders));
                }
            }
        }
        return found;
    }

    // -------------------------------------------------------------------------------------------- block devices

    /**
     * Writes what the kernel still has of the block devices' contents, and takes their loop devices from their file.
     *
     * @param isServed whether there is still a daemon that takes what is written
     * @throws Refusal when somebody has one open, who is named
     */
    public void release(boolean isServed) throws Refusal, InterruptedException {
        for (String disk : parts().disks()) {
            awaitNobody(disk);
            if (isServed) {
                flush(disk);
                awaitUnclaimed(disk);
            }
            if (isLoop(disk)) {
                releaseLoop(disk);
                awaitGone(disk);
                taken.add("released /dev/" + disk);
            }
        }
        forgetLoop();
    }

    /**
     * Makes sure that nobody has the device's file open, as who needs no block device has it.
     *
     * @throws Refusal when somebody has, who is named
     */
    public void checkFile() throws Refusal, InterruptedException {
        Users users = usersOfFile();
        for (int poll = 0; !users.isEmpty() && poll < PASSING_POLLS_MAX; poll++) {
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            users = usersOfFile();
        }
        if (!users.isEmpty()) {
            throw failed(fuseDirectory() + " is in use by " + users.text()
                    + "; let them leave it, then 'ramback detach " + name + "' again");
        }
    }

    private String fuseDirectory() {
        return Parts.real(directory).resolve(Parts.FUSE_DIRECTORY).toString();
    }

    private Users usersOfFile() throws Refusal {
        return parts().fuse().isEmpty() ? Users.NONE : Users.ofDirectory(root, fuseDirectory());
    }

    /**
     * As above, but who has one open loses it; the loop device goes when the last of them closes it. Returns what
     * that was, a line each.
     */
    List<String> releaseAnyway() throws Refusal, InterruptedException {
        List<String> lost = new ArrayList<>();
        lost.addAll(holders(parts()));
        Users elsewhere = usersElsewhere();
        if (!elsewhere.isEmpty()) {
            tools.run("coreutils", "sync"); // of everything: their directories can't be named here
            lost.add("something of it is still " + seenBy(elsewhere));
        }
        for (String disk : parts().disks()) {
            flush(disk);
            Users users = usersOf(disk);
            if (!users.isEmpty()) {
                lost.add("/dev/" + disk + " is open in " + users.text());
            }
            if (isLoop(disk)) {
                tools.run("mount", "losetup", "-d", "/dev/" + disk);
                taken.add("released /dev/" + disk);
            }
        }
        forgetLoop();
        Users users = usersOfFile();
        if (!users.isEmpty()) {
            lost.add(fuseDirectory() + " is in use by " + users.text());
        }
        return lost;
    }

    private static boolean isLoop(String disk) {
        return disk.startsWith("loop");
    }

    private void releaseLoop(String loop) throws Refusal, InterruptedException {
        Tools.Result result = tools.run("mount", "losetup", "-d", "/dev/" + loop);
        if (!result.isDone() && parts().disks().contains(loop)) {
            throw failed("cannot release /dev/" + loop + ": " + result.reason());
        }
    }

    private void awaitNobody(String disk) throws Refusal, InterruptedException {
        Users users = usersOf(disk);
        for (int poll = 0; !users.isEmpty() && poll < PASSING_POLLS_MAX; poll++) {
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            users = usersOf(disk);
        }
        if (!users.isEmpty()) {
            throw failed("/dev/" + disk + " is open in " + users.text() + "; let them close it, then 'ramback detach "
                    + name + "' again");
        }
    }

    private void awaitGone(String loop) throws Refusal, InterruptedException {
        for (int poll = 0; parts().disks().contains(loop); poll++) {
            if (poll == PASSING_POLLS_MAX) {
                throw failed("/dev/" + loop
                        + " is still in use, by nobody who can be seen from here (a container, or the"
                        + " kernel itself); it goes with the last of them, then 'ramback detach " + name + "' again");
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
        }
    }

    private Users usersOf(String disk) {
        List<Path> devices = new BlockDevices(root)
                .family(disk).stream().map(member -> Path.of("/dev", member)).toList();
        return Users.ofDevices(root, devices);
    }

    /**
     * In a process of its own: one that serves the block device and is killed while it waits for it would never end.
     * What it takes no more is lost already; whoever wrote it has heard of that from the kernel.
     */
    private void flush(String disk) throws Refusal, InterruptedException {
        tools.run("coreutils", "sync", "/dev/" + disk);
    }

    /**
     * Whether the kernel uses a disk or one of its partitions for something: as one that can be mounted anywhere, swap
     * space, a part of another. Not for the process that serves it, which would write it out to itself at the close.
     * Source: open(2), O_EXCL of a block device.
     */
    private static boolean isClaimed(String disk) {
        try {
            Posix.close(Posix.open(Path.of("/dev", disk), Posix.O_RDONLY | Posix.O_NONBLOCK | Posix.O_EXCL, 0));
            return false;
        } catch (PosixException e) {
            return e.errno() == Errno.EBUSY;
        }
    }

    /** Who has something of the device mounted, also in a mount namespace of its own. */
    private Users usersElsewhere() throws Refusal {
        return parts().usersOfMounts(root);
    }

    private static String seenBy(Users elsewhere) {
        return "mounted where " + elsewhere.text() + " sees it (a container, or a service with mounts of its own)";
    }

    private void awaitUnclaimed(String disk) throws Refusal, InterruptedException {
        for (int poll = 0; isClaimed(disk); poll++) {
            if (poll == PASSING_POLLS_MAX) {
                Users elsewhere = usersElsewhere();
                throw failed("/dev/" + disk + " is still " + (elsewhere.isEmpty() ? CLAIMED : seenBy(elsewhere))
                        + "; have it unmounted there, then 'ramback detach " + name + "' again");
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
        }
    }

    private void forgetLoop() throws Refusal {
        try {
            Files.deleteIfExists(directory.resolve(Parts.LOOP_FILE_NAME));
        } catch (IOException e) {
            throw failed("cannot remove " + directory.resolve(Parts.LOOP_FILE_NAME) + ": " + e.getMessage(), e);
        }
    }

    /** Removes the stable name, if it is ours or leads nowhere. */
    public void removeLink() throws Refusal {
        Path link = Parts.link(root, name);
        try {
            if (Files.isSymbolicLink(link) && isOursOrStale(link)) {
                Files.deleteIfExists(link);
                Files.deleteIfExists(link.toAbsolutePath().getParent());
            }
        } catch (NoSuchFileException e) {
            // Somebody else was faster.
        } catch (DirectoryNotEmptyException e) {
            // Other devices have names there.
        } catch (IOException e) {
            throw failed("cannot remove " + link + ": " + e.getMessage(), e);
        }
    }

    private boolean isOursOrStale(Path link) throws IOException, Refusal {
        String disk = Files.readSymbolicLink(link).getFileName().toString();
        return parts().disks().contains(disk) || !new BlockDevices(root).isRamback(disk);
    }

    // ----------------------------------------------------------------------------------------- without the daemon

    /**
     * Has the kernel fail what a FUSE directory's daemon leaves unanswered, so that nothing waits for it any more.
     * What was written and not yet taken by the device is lost.
     */
    public void abort() throws Refusal, InterruptedException {
        for (Mount mount : parts().fuse()) {
            tools.run(
                    "mount",
                    "umount",
                    "-f",
                    mount.where()); // it fails as long as a loop device holds the file, and aborts all the same
            taken.add("cut off the daemon's FUSE directory");
        }
    }

    /**
     * Removes a block device that outlives its daemon, and only then unmounts what is mounted of it: as long as it is
     * there, whoever uses it waits for the next daemon, and so would an unmount. What filesystems had not written is
     * lost.
     *
     * @param socket where the device's NBD clients were served
     * @throws Refusal when more was made of the device than filesystems, or the kernel keeps it
     */
    public void removeWaiting(Ways ways, Path socket) throws Refusal, InterruptedException {
        Parts parts = parts();
        if (parts.record().isEmpty()) {
            return;
        }
        checkHolders(parts);
        AttachRecord record = parts.record().get();
        try {
            ways.remove(record, directory, socket);
        } catch (IOException e) {
            throw failed("cannot remove /dev/" + record.diskName() + ": " + e.getMessage(), e);
        }
        taken.add("removed /dev/" + record.diskName());
        for (Mount mount : MountTable.unmountable(parts.filesystems())) {
            if (!tools.run("mount", "umount", mount.where()).isDone()) {
                tools.run("mount", "umount", "-l", mount.where());
            }
            taken.add("unmounted " + mount.where());
        }
    }

    /**
     * Removes what no daemon serves any more: the FUSE directory's mount and the block devices, recorded or not.
     *
     * @param socket where the device's NBD clients are served
     */
    public void removeDead(Ways ways, Path socket) throws Refusal, InterruptedException {
        Parts parts = parts();
        for (Mount mount : parts.fuse()) {
            unmountFuse(mount);
            taken.add("unmounted " + mount.where());
        }
        try {
            List<AttachRecord> records = new ArrayList<>(ways.find(directory, socket));
            parts.record()
                    .filter(record -> records.stream().noneMatch(record::isSameDisk))
                    .ifPresent(records::add);
            for (AttachRecord record : records) {
                ways.remove(record, directory, socket);
                taken.add("removed /dev/" + record.diskName());
            }
            AttachRecord.remove(directory);
            Files.deleteIfExists(directory.resolve(Parts.FUSE_DIRECTORY));
        } catch (IOException e) {
            throw failed("cannot remove what is left of " + name + ": " + e.getMessage(), e);
        }
    }

    /**
     * Forgets a recorded block device that is gone, or another's by now; that one is not touched.
     *
     * @return what has become of it; empty where none is recorded, or it is there
     */
    public Optional<String> forgetGone() throws Refusal {
        try {
            Optional<AttachRecord> gone = AttachRecord.read(directory).filter(record -> record.via() != Via.FUSE);
            if (gone.isEmpty() || parts().record().isPresent()) {
                return Optional.empty();
            }
            AttachRecord.remove(directory);
            String disk = gone.get().diskName();
            return Optional.of("/dev/" + disk
                    + (new BlockDevices(root).isInUse(disk) ? " is another's by now" : " is there no more"));
        } catch (IOException e) {
            throw failed("cannot see or remove the record of " + name + ": " + e.getMessage(), e);
        }
    }

    private void unmountFuse(Mount mount) throws Refusal, InterruptedException {
        Tools.Result result = Posix.effectiveUserId() == 0
                ? tools.run("mount", "umount", "-l", mount.where())
                : tools.run("fuse3", "fusermount3", "-u", "-z", mount.where());
        if (!result.isDone() && isMounted(mount)) {
            throw failed("cannot unmount " + mount.where() + ": " + result.reason());
        }
    }

    /**
     * What a new daemon does about the one before: a FUSE directory that nobody serves and no loop device uses is
     * unmounted. What is in use stays for {@code detach}.
     */
    void sweep() throws Refusal, InterruptedException {
        Parts parts = parts();
        try {
            if (!parts.disks().isEmpty()
                    || AttachRecord.read(directory)
                            .filter(AttachRecord::isInherited)
                            .isPresent()) {
                return;
            }
            for (Mount mount : parts.fuse()) {
                unmountFuse(mount);
            }
            removeLink();
            Files.deleteIfExists(directory.resolve(Parts.FUSE_DIRECTORY));
            Files.deleteIfExists(directory.resolve(Parts.LOOP_FILE_NAME));
            AttachRecord.remove(directory);
        } catch (IOException e) {
            throw failed("cannot remove what is left of " + name + ": " + e.getMessage(), e);
        }
    }

    /** Notes what somebody else has taken apart. */
    public void add(String what) {
        taken.add(what);
    }

    /** What was taken apart, in one line. */
    public String summary() {
        return taken.stream().distinct().collect(Collectors.joining(", "));
    }
}
