package ramback.writeback;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.backing.Damage;
import ramback.backing.WatchedBacking;
import ramback.backing.WatchedBacking.Silence;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Signal;

/**
 * Notices what no call reports: a disk that does not answer, and one that was cut short, moved or deleted behind our back. It looks
 * once a second, and only tells: a call that hangs goes on waiting, because a late answer is as good as an early one, and a disk
 * that was given up would have to be given up with what was written to it.
 *
 * <p>Looking at a disk may hang as any call, so there is a thread for each, and one that listens and never calls. Safe for use by
 * many threads; disks are added before it is started.
 */
public final class DiskWatch {

    /** A call that has taken so long is reported: a disk that has to spin up, or has a long queue, answers earlier. */
    public static final long ANSWER_NANOS = 10_000_000_000L;

    private static final long LOOK_NANOS = 1_000_000_000L;
    private static final double NANOS_PER_SECOND = 1e9;

    private static final System.Logger LOG = System.getLogger(DiskWatch.class.getName());

    private final Clock clock;
    private final long answerNanos;
    private final List<Disk> disks = new ArrayList<>();
    private final List<AgentThread> threads = new ArrayList<>();

    /** Watches nothing yet. */
    public DiskWatch(Clock clock) {
        this(clock, ANSWER_NANOS);
    }

    DiskWatch(Clock clock, long answerNanos) {
        this.clock = clock;
        this.answerNanos = answerNanos;
    }

    /**
     * Watches a disk as well.
     *
     * @param what a word for people: image, journal
     * @param onLook called after each look at it, which may have found that it was cut; must not block
     */
    public void add(String what, WatchedBacking backing, Runnable onLook) {
        disks.add(new Disk(what, backing, onLook));
    }

    /** The listener, and one that looks for each disk, to be stepped; a simulation's alternative to {@link #start}. */
    List<Agent> agents() {
        List<Agent> agents = new ArrayList<>(disks);
        agents.add(new Listener());
        return agents;
    }

    /** Starts the threads. */
    public void start() {
        for (Agent agent : agents()) {
            threads.add(AgentThread.start(agent, clock, new Signal(clock)));
        }
    }

    /** Stops the threads; waits for a look that hangs. */
    public void stop() {
        threads.forEach(AgentThread::stop);
    }

    /** What is wrong now, in words, or null if nothing is. */
    public @Nullable String failing() {
        List<String> all = new ArrayList<>();
        for (Disk disk : disks) {
            Silence silence = disk.silence();
            if (silence != null) {
                all.add(disk.noAnswer(silence));
            }
            String trouble = disk.trouble;
            if (trouble != null) {
                all.add(trouble);
            }
        }
        return all.isEmpty() ? null : String.join("; ", all);
    }

    /** What has become of a disk, as of the last look at it; null if nothing has. */
    public @Nullable Damage damage(WatchedBacking backing) {
        for (Disk disk : disks) {
            if (disk.backing == backing) {
                return disk.damage;
            }
        }
        return null;
    }

    private static long seconds(long nanos) {
        return Math.round(nanos / NANOS_PER_SECOND);
    }

    /** Says once for each time when a disk falls silent, and when it answers again. */
    private final class Listener implements Agent {

        @Override
        public String name() {
            return "disk-watch";
        }

        @Override
        public long step() {
            for (Disk disk : disks) {
                disk.listen();
            }
            return clock.nanoTime() + LOOK_NANOS;
        }
    }

    /** One disk, and who looks at it. */
    private final class Disk implements Agent {

        private final String what;
        private final WatchedBacking backing;
        private final Runnable onLook;

        /** What has become of it, or why nobody can see that. */
        private volatile @Nullable String trouble;

        private volatile @Nullable Damage damage;

        private boolean wasSilent;
        private long silentNanos;

        Disk(String what, WatchedBacking backing, Runnable onLook) {
            this.what = what;
            this.backing = backing;
            this.onLook = onLook;
        }

        @Override
        public String name() {
            return "look-" + what;
        }

        @Override
        public long step() {
            String before = trouble;
            String now;
            try {
                Damage found = backing.damage();
                damage = found;
                now = found == null ? null : found.text();
            } catch (IOException e) {
                now = String.valueOf(e.getMessage());
            }
            trouble = now;
            if (before == null && now != null) {
                LOG.log(System.Logger.Level.WARNING, "{0}: {1}", what, now);
            } else if (before != null && now == null) {
                LOG.log(System.Logger.Level.INFO, "{0} is where and what it was again", what);
            }
            onLook.run();
            return clock.nanoTime() + LOOK_NANOS;
        }

        @Nullable
        Silence silence() {
            Silence longest = backing.longest();
            return longest != null && longest.nanos() >= answerNanos ? longest : null;
        }

        String noAnswer(Silence silence) {
            return what + ": no answer for " + seconds(silence.nanos()) + " s: " + silence.call();
        }

        void listen() {
            Silence silence = silence();
            if (silence != null) {
                silentNanos = silence.nanos();
                if (!wasSilent) {
                    LOG.log(System.Logger.Level.WARNING, "{0}; waits for it", noAnswer(silence));
                }
            } else if (wasSilent) {
                LOG.log(
                        System.Logger.Level.INFO,
                        "{0} answers again, after {1} s",
                        what,
                        String.valueOf(seconds(silentNanos)));
            }
            wasSilent = silence != null;
        }
    }
}
