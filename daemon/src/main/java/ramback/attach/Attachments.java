package ramback.attach;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import ramback.engine.DeviceLife;
import ramback.engine.Refusal;
import ramback.kernelnbd.KernelNbd;

/**
 * A daemon's side of an attached device: makes it on request, goes on with what the daemon before has left, and takes
 * it apart when the daemon stops. One at a time. Safe for use by many threads; none of them waits for a client
 * meanwhile.
 */
public final class Attachments {

    /** Over how many connections the kernel's NBD client can be had at most. */
    public static final int CONNECTION_COUNT_MAX = KernelNbd.CONNECTION_COUNT_MAX;

    private static final System.Logger LOG = System.getLogger(Attachments.class.getName());

    /**
     * For how long a daemon waits for who takes apart what an earlier one left. No longer: whoever attaches may wait for
     * a program that waits for this daemon.
     */
    private static final Duration COMMAND_PATIENCE = Duration.ofSeconds(5);

    private final Path root;
    private final Offer offer;
    private final Ways ways;
    private final Tools tools;
    private volatile @Nullable LocalDisk disk;
    /** Whether something is there that an earlier daemon left and nobody serves. */
    private volatile boolean isLeft;

    private volatile List<Integer> keptDescriptors = List.of();
    private boolean isClosed;

    public Attachments(Offer offer, Ways ways, Tools tools) {
        this(Path.of("/"), offer, ways, tools);
    }

    /** @param root the machine's root directory */
    Attachments(Path root, Offer offer, Ways ways, Tools tools) {
        this.root = root;
        this.offer = offer;
        this.ways = ways;
        this.tools = tools;
    }

    private String name() {
        return offer.device().name();
    }

    private Teardown teardown() {
        return new Teardown(root, offer.directory(), name(), tools);
    }

    /**
     * Clears a device's directory for a new daemon of that name: what an earlier one left and nobody uses goes, the
     * rest stays.
     */
    public static void sweep(Path directory, String name) {
        try (AttachLock lock = AttachLock.take(directory, COMMAND_PATIENCE)) {
            if (lock == null) {
                LOG.log(Level.INFO, "somebody attaches or detaches " + name + ": what is left of it is not removed");
                return;
            }
            new Teardown(directory, name, new Tools(System.getenv())).sweep();
        } catch (Refusal e) {
            LOG.log(Level.WARNING, e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ------------------------------------------------------------------------------------------------- requests

    /**
     * Attaches the device, or finds that it is attached in that way already.
     *
     * @param connectionCount over how many connections, 1 to {@link #CONNECTION_COUNT_MAX}, by nbd; the other
     *     ways have none
     * @return the block device, or the file
     * @throws Refusal when it is attached in another way, something is left of an earlier daemon, or the way can't be
     *     gone
     */
    public synchronized LocalDisk attach(Via via, int connectionCount) throws Refusal {
        if (isClosed) {
            throw new Refusal(Refusal.Kind.NO_DEVICE, name() + " is stopping");
        }
        LocalDisk present = living();
        if (present != null) {
            if (present.via() == via) {
                return present;
            }
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    name() + " is attached by " + present.via().word() + " already (" + present.path()
                            + "); 'ramback detach " + name() + "' first");
        }
        checkNothingLeft();
        String reason = ways.unavailable(via);
        if (!reason.isEmpty()) {
            throw new Refusal(Refusal.Kind.FAILED, "no " + via.word() + ": " + reason);
        }
        try {
            LocalDisk made = ways.make(via, offer, connectionCount);
            record(made);
            disk = made;
            return made;
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "no " + via.word() + ": " + e.getMessage(), e);
        }
    }

    private void record(LocalDisk made) throws IOException {
        try {
            if (made.record().isPresent()) {
                made.record().get().write(offer.directory());
            }
        } catch (IOException e) {
            made.close();
            throw e;
        }
    }

    /** What is served now; what was taken away by hand is given up first. */
    private @Nullable LocalDisk living() throws Refusal {
        LocalDisk present = disk;
        if (present == null || present.isAlive()) {
            return present;
        }
        close(present);
        return null;
    }

    private void checkNothingLeft() throws Refusal {
        Parts parts = parts();
        isLeft = !parts.isNone();
        if (isLeft) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "something of " + name() + " is left from before (" + parts.device(offer.directory())
                            + "); 'ramback detach " + name() + "' takes it apart, then attach again");
        }
    }

    private Parts parts() throws Refusal {
        try {
            return Parts.find(root, offer.directory());
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot see what is attached: " + e.getMessage(), e);
        }
    }

    /**
     * Takes the device away from the kernel, after whoever asks has unmounted and released it; fine when there is
     * none.
     *
     * @return whether there was one
     * @throws Refusal when the kernel keeps it
     */
    public synchronized boolean detach() throws Refusal {
        LocalDisk present = disk;
        if (present != null) {
            close(present);
        }
        isLeft = isLeft && !parts().isNone();
        return present != null;
    }

    private void close(LocalDisk present) throws Refusal {
        try {
            present.close();
            disk = null;
            forget();
            Files.deleteIfExists(offer.fuseDirectory());
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot take " + present.path() + " away: " + e.getMessage(), e);
        }
    }

    private void forget() {
        try {
            AttachRecord.remove(offer.directory());
        } catch (IOException e) {
            LOG.log(Level.WARNING, "cannot remove the record of an attached device: " + e.getMessage());
        }
    }

    /** What is attached, or left; null when nothing is. Looks at the machine only where there is something to see. */
    public @Nullable AttachedDisk report() {
        LocalDisk present = disk;
        if (present == null && !isLeft) {
            return null;
        }
        try {
            Parts parts = Parts.find(root, offer.directory());
            Optional<Via> via = present == null ? parts.via() : Optional.of(present.via());
            boolean isServed = present != null && present.isAlive();
            if (via.isEmpty() || (!isServed && parts.isNone())) {
                return null;
            }
            return new AttachedDisk(via.get().word(), parts.device(offer.directory()), parts.mountPoints(), !isServed);
        } catch (IOException e) {
            return null; // a machine without /proc shows nothing
        }
    }

    /**
     * Refuses a stop that would take the disk from under its users.
     *
     * @throws Refusal of kind PROTECTED when something is attached
     */
    public void checkStop() throws Refusal {
        AttachedDisk attached = report();
        if (attached != null) {
            throw new Refusal(
                    Refusal.Kind.PROTECTED,
                    name() + " is attached as " + attached.device()
                            + (attached.mounts().isEmpty()
                                    ? ""
                                    : ", mounted on " + String.join(", ", attached.mounts()))
                            + ": a stop would take it from under its users; 'ramback detach " + name() + "' first");
        }
    }

    // ------------------------------------------------------------------------------------ the daemon's own life

    /**
     * Goes on with what the daemon before has left: a recorded block device is served again, unless writes were lost.
     */
    public synchronized void recover() {
        // Somebody who takes apart what was left sees no daemon, and must not meet one half-way.
        try (AttachLock _ = AttachLock.take(offer.directory(), COMMAND_PATIENCE)) {
            Optional<AttachRecord> found = AttachRecord.read(offer.directory());
            List<AttachRecord> known = known();
            Optional<AttachRecord> record = parts().record()
                    .or(() -> found.filter(
                            of -> of.isInherited() || known.stream().anyMatch(of::isSameDisk)));
            removeUnrecorded(known, record);
            if (record.isPresent()) {
                recover(record.get());
            } else {
                teardown().forgetGone().ifPresent(this::logGone);
                if (found.isPresent()) {
                    forget();
                }
            }
            isLeft = disk == null && !parts().isNone();
            if (disk == null && !isLeft) {
                teardown().removeLink(); // it would lead to whoever gets that block device next
            }
        } catch (IOException | Refusal e) {
            LOG.log(Level.WARNING, "cannot see what is attached: " + e.getMessage());
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        if (isLeft) {
            LOG.log(
                    Level.WARNING,
                    "something of " + name()
                            + " is left from before, and whoever uses it gets errors; 'ramback detach " + name()
                            + "' takes it apart");
        }
    }

    private void logGone(String what) {
        LOG.log(Level.INFO, name() + " is not attached any more: " + what);
    }

    /** What the kernel knows to be this device's. */
    private List<AttachRecord> known() {
        try {
            return ways.find(offer.directory(), offer.socket());
        } catch (IOException e) {
            LOG.log(
                    Level.WARNING,
                    "cannot see whether there are more block devices of " + name() + ": " + e.getMessage());
            return List.of();
        }
    }

    private void removeUnrecorded(List<AttachRecord> known, Optional<AttachRecord> record) {
        for (AttachRecord found : known) {
            if (record.filter(found::isSameDisk).isPresent()) {
                continue;
            }
            try {
                ways.remove(found, offer.directory(), offer.socket());
                LOG.log(Level.INFO, "/dev/" + found.diskName() + " was removed: nobody had been told of it yet");
            } catch (IOException e) {
                LOG.log(Level.WARNING, "/dev/" + found.diskName() + " cannot be removed: " + e.getMessage());
            }
        }
    }

    private void recover(AttachRecord record) {
        String path = record.via() == Via.FUSE ? offer.fuseDirectory().toString() : "/dev/" + record.diskName();
        try {
            if (offer.goesOnFrom(record)) {
                LocalDisk recovered = ways.recover(record, offer);
                disk = recovered;
                if (record.via() == Via.FUSE) {
                    forget(); // the descriptor is this process's alone
                } else {
                    recovered.record().ifPresent(this::keep); // it is of this life now
                }
                LOG.log(Level.INFO, path + " is served again");
                return;
            }
            ways.remove(record, offer.directory(), offer.socket());
            forget();
            LOG.log(
                    Level.WARNING,
                    path + " was removed: " + whyNot(record.life())
                            + ", so what was mounted of it must not go on; unmount that, check its filesystem, then"
                            + " 'ramback attach " + name() + "' again");
        } catch (IOException e) {
            LOG.log(
                    Level.WARNING,
                    path + " cannot be served again: " + e.getMessage() + "; 'ramback detach " + name()
                            + "' removes it");
        }
    }

    private String whyNot(DeviceLife told) {
        if (!told.device().equals(offer.life().device())) {
            return "it is of another image";
        }
        return told.exportGeneration() == offer.life().exportGeneration()
                ? "its image was served without it since"
                : "writes that it had been told of as done were lost";
    }

    /** Another daemon takes the device over: the block device stays, and what uses it waits. */
    public synchronized void leave() {
        isClosed = true;
        LocalDisk present = disk;
        if (present != null) {
            present.leave().ifPresent(this::keep);
        }
    }

    private void keep(AttachRecord record) {
        try {
            record.write(offer.directory());
            if (record.via() == Via.FUSE) {
                keptDescriptors = List.of(record.number());
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, "cannot note how the next daemon goes on with " + name() + ": " + e.getMessage());
        }
    }

    /** Whether something waits for another daemon, after {@link #leave()}. */
    public boolean isLeftForAnother() {
        return disk != null;
    }

    /** The descriptors that another program in this one's place goes on with, after {@link #leave()}. */
    public List<Integer> keptDescriptors() {
        return keptDescriptors;
    }

    /**
     * The daemon stops: everything is taken apart, with a warning for who still used it. What fails is said, and
     * stops nothing.
     */
    public synchronized void close() {
        isClosed = true;
        LocalDisk present = disk;
        if (present == null && !isLeft) {
            return;
        }
        Teardown teardown = teardown();
        boolean isDone = isDone(() -> warnOf(teardown.cutOff()));
        isDone &= isDone(teardown::removeLink);
        isDone &= isDone(() -> warnOf(teardown.releaseAnyway()));
        if (present != null) {
            isDone &= isDone(() -> close(present));
        }
        isDone &= isDone(() -> teardown.removeDead(ways, offer.socket()));
        if (isDone) {
            LOG.log(Level.INFO, name() + " was detached for the stop: " + teardown.summary());
        }
    }

    /** A part of the stop, which is tried whatever came of the part before. */
    private interface Step {
        void take() throws Refusal, InterruptedException;
    }

    private boolean isDone(Step step) {
        try {
            step.take();
            return true;
        } catch (Refusal | RuntimeException e) {
            LOG.log(Level.WARNING, "not everything of " + name() + " could be detached: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return false;
    }

    private void warnOf(List<String> lost) {
        for (String line : lost) {
            LOG.log(Level.WARNING, line + ": it is cut off, since " + name() + " stops");
        }
    }
}
