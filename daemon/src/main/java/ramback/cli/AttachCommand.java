package ramback.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.attach.AttachLock;
import ramback.attach.AttachedDisk;
import ramback.attach.Contents;
import ramback.attach.HeldDisk;
import ramback.attach.Loop;
import ramback.attach.Parts;
import ramback.attach.StableName;
import ramback.attach.Teardown;
import ramback.attach.Tools;
import ramback.attach.Via;
import ramback.control.ControlClient;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.posix.Posix;

/**
 * {@code ramback attach}: a running device as a block device of this machine. The daemon shows it to the kernel; what
 * belongs to the caller's rights and mounts is done here: the loop device, the name, the filesystem, the mount.
 */
@Command(
        name = "attach",
        description = {
            "Make a running device a block device of this machine, print its path, and mount it if asked to.",
            "Without root there is no block device: --via fuse gives a file that is the device."
        })
final class AttachCommand extends DeviceCommand {

    private static final String AUTO = "auto";
    private static final Pattern FILESYSTEM = Pattern.compile("[a-z0-9][a-z0-9._-]{0,31}");

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    @Option(
            names = "--via",
            paramLabel = "auto|ublk|nbd|fuse",
            description = "How: auto (default) takes the first of the others that works here.")
    private @Nullable String via;

    @Option(names = "--mount", paramLabel = "DIR", description = "Mount its filesystem on this directory.")
    private @Nullable Path mount;

    @Option(
            names = "--mkfs",
            paramLabel = "TYPE",
            description = "Make a filesystem first, such as ext4, xfs or btrfs; refused where there is one already.")
    private @Nullable String mkfs;

    AttachCommand(Shell shell) {
        super(shell);
    }

    /** What was made, and why in this way. */
    private record Made(Via via, Path path, String why) {}

    @Override
    public Integer call() throws Refusal, InterruptedException {
        List<Via> ways = ways();
        Tools tools = new Tools(shell.environment());
        checkWork(tools);
        ControlClient client = client(name);
        StatusReport status = client.status();
        checkRights(status);
        Path directory = runDirectory().of(client.name());
        try (AttachLock lock = AttachLock.take(directory)) {
            attach(client, directory, ways, tools.holding(lock));
        }
        return ExitCode.OK;
    }

    // ---------------------------------------------------------------------------------------------- what is asked

    private List<Via> ways() throws Refusal {
        if (via == null || via.equals(AUTO)) {
            return List.of(Via.values());
        }
        return List.of(
                Via.ofWord(via).orElseThrow(() -> usage("bad --via '" + via + "'; use auto, ublk, nbd or fuse")));
    }

    /** Whether what comes behind the attaching can be done at all. */
    private void checkWork(Tools tools) throws Refusal {
        if (mkfs != null && mount == null) {
            throw usage("--mkfs " + mkfs + " is for --mount DIR; add that");
        }
        if (mkfs != null && !FILESYSTEM.matcher(mkfs).matches()) {
            throw usage("bad --mkfs '" + mkfs + "': not the type of a filesystem, such as ext4");
        }
        if (mount != null && !Files.isDirectory(mount)) {
            throw usage("bad --mount '" + mount + "': "
                    + (Files.exists(mount) ? "not a directory" : "there is no such directory; make it"));
        }
        if (mkfs != null && tools.find("mkfs." + mkfs) == null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "mkfs." + mkfs + " is not there; install the tools of " + mkfs + ", or choose another --mkfs");
        }
    }

    private static boolean isRoot() {
        return Posix.effectiveUserId() == 0;
    }

    private void checkRights(StatusReport status) throws Refusal {
        if (isRoot()) {
            return;
        }
        String file = "without root there is 'ramback attach " + status.name()
                + " --via fuse', which gives a file that is the device";
        if (mount != null) {
            throw new Refusal(Refusal.Kind.FAILED, "--mount needs root; " + file);
        }
        if (!Via.FUSE.word().equals(via)) {
            throw new Refusal(Refusal.Kind.FAILED, "a block device needs root; " + file);
        }
    }

    // ------------------------------------------------------------------------------------------------- the work

    private void attach(ControlClient client, Path directory, List<Via> ways, Tools tools)
            throws Refusal, InterruptedException {
        StatusReport status = client.status();
        AttachedDisk before = status.attached();
        boolean isNew = before == null;
        try {
            Made made = before == null ? make(client, ways, tools) : present(client, before, ways);
            Path device = blockDevice(directory, made, status, tools);
            Path named = isRoot() ? StableName.give(status.name(), device) : device;
            if (isRoot() && named.equals(device)) {
                shell.warn(Parts.link(status.name()) + " is another device's or can't be made: use " + device);
            }
            if (mount != null) {
                try (HeldDisk held = HeldDisk.hold(directory, device)) {
                    mount(held, status, tools);
                }
            }
            shell.note(status.name() + " is attached by " + made.via().word()
                    + (named.equals(device) ? "" : " as " + device)
                    + (mount == null ? "" : ", on " + mount.toAbsolutePath().normalize()) + made.why());
            shell.out().println(named);
            shell.out().flush();
        } catch (Refusal e) {
            if (isNew) {
                undo(client, directory, tools);
            }
            throw e;
        }
    }

    /** Tries one way after the other. */
    private Made make(ControlClient client, List<Via> ways, Tools tools) throws Refusal, InterruptedException {
        List<String> passed = new ArrayList<>();
        String mountNamespace = mountNamespace();
        for (Via way : ways) {
            loadModule(way, tools);
            try {
                return new Made(way, client.attach(way, mountNamespace), why(passed));
            } catch (Refusal e) {
                if (ways.size() == 1 || e.kind() != Refusal.Kind.FAILED) {
                    throw e;
                }
                passed.add(String.valueOf(e.getMessage()));
            }
        }
        throw new Refusal(Refusal.Kind.FAILED, String.join("; ", passed));
    }

    private static String why(List<String> passed) {
        return passed.isEmpty() ? "" : " (" + String.join("; ", passed) + ")";
    }

    /** Modules that nothing else loads; whether that has worked is seen by who needs them. */
    private static void loadModule(Via way, Tools tools) throws Refusal, InterruptedException {
        String module = switch (way) {
            case UBLK -> "ublk_drv";
            case NBD -> "nbd";
            case FUSE -> "fuse";
        };
        if (isRoot() && !Files.exists(Path.of("/sys/module", module)) && tools.find("modprobe") != null) {
            tools.run("kmod", "modprobe", "-q", module);
        }
    }

    private static String mountNamespace() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/ns/mnt")).toString();
        } catch (IOException e) {
            return "";
        }
    }

    /** It is attached already: fine where that is what was asked for. */
    private static Made present(ControlClient client, AttachedDisk before, List<Via> ways) throws Refusal {
        String detach = "'ramback detach " + client.name() + "'";
        if (before.isLeft()) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "something of " + client.name() + " is left from before (" + before.device() + "); " + detach
                            + " takes it apart, then attach again");
        }
        Via present = Via.ofWord(before.via()).orElse(Via.FUSE);
        if (!ways.contains(present)) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    client.name() + " is attached by " + before.via() + " already (" + before.device() + "); " + detach
                            + " first");
        }
        return new Made(present, Path.of(before.device()), " already");
    }

    /** The block device: with FUSE that is made here, for root. */
    private Path blockDevice(Path directory, Made made, StatusReport status, Tools tools)
            throws Refusal, InterruptedException {
        boolean isFile = made.via() == Via.FUSE && Files.isRegularFile(made.path());
        if (!isFile || !isRoot()) {
            return made.path();
        }
        Path loop = Loop.over(directory, made.path(), status.readOnly(), tools);
        if (!Loop.isDirect(loop)) {
            shell.warn(loop + " goes through the page cache, which has everything in memory twice: the kernel would not"
                    + " have it otherwise");
        }
        return loop;
    }

    private void format(String device, HeldDisk disk, Tools tools) throws Refusal, InterruptedException {
        Contents contents = Contents.of(disk.path(), tools);
        if (!contents.isNone()) {
            throw new Refusal(
                    Refusal.Kind.PROTECTED,
                    device + " holds " + contents.text() + " already, which --mkfs would destroy; leave --mkfs out to"
                            + " mount it, or attach without --mount and wipe it with 'wipefs -a' first");
        }
        disk.check();
        Tools.Result result =
                tools.run("the tools of " + mkfs, "mkfs." + mkfs, disk.path().toString());
        if (!result.isDone()) {
            throw new Refusal(Refusal.Kind.FAILED, "mkfs." + mkfs + " failed: " + result.reason());
        }
    }

    private void mount(HeldDisk disk, StatusReport status, Tools tools) throws Refusal, InterruptedException {
        if (mkfs != null) {
            format(status.name(), disk, tools);
        }
        Path device = disk.path();
        Path target = real(mount);
        if (disk.mountPoints().contains(target.toString())) {
            return; // as asked
        }
        Contents contents = Contents.of(device, tools);
        if (contents.filesystem().isEmpty() && !contents.partitionTable().isEmpty()) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    status.name() + " holds " + contents.text() + "; attach it without --mount, and mount one of its"
                            + " partitions (" + device + "p1, ...)");
        }
        if (contents.isNone()) {
            throw new Refusal(
                    Refusal.Kind.FAILED, status.name() + " holds no filesystem; add --mkfs TYPE, such as --mkfs ext4");
        }
        disk.check();
        Tools.Result result = tools.run(
                "mount", "mount", "-o", status.readOnly() ? "ro" : "rw", device.toString(), target.toString());
        if (!result.isDone()) {
            throw new Refusal(Refusal.Kind.FAILED, result.reason());
        }
        if (!status.process().ioFlusher()) {
            shell.warn("when memory is short, the daemon of " + status.name() + " can wait for writes to " + target
                    + " that wait for it, and both hang: the kernel has not let it be an I/O flusher ('ramback status "
                    + status.name() + "' says why)");
        }
    }

    private static Path real(@Nullable Path directory) throws Refusal {
        try {
            return java.util.Objects.requireNonNull(directory).toRealPath();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot look at " + directory + ": " + e.getMessage(), e);
        }
    }

    /** What was half made goes; why it failed is what the user hears. */
    private void undo(ControlClient client, Path directory, Tools tools) throws InterruptedException {
        Teardown teardown = new Teardown(directory, client.name(), tools);
        try {
            teardown.unmount();
            teardown.release(true);
            client.detach();
            teardown.removeLink();
        } catch (Refusal e) {
            shell.warn("what was made of the attach is left: " + e.getMessage());
        }
    }
}
