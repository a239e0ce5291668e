package ramback.nbd;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Fuzzes the NBD server until it has been sent so many messages or the time is up, one round a seed, and says what was
 * sent; the first failure ends it, and says how its round is run again.
 *
 * <pre>
 *   --seed S                 the first round's seed (1)
 *   --messages N             until N messages were sent
 *   --minutes N              until so much time has gone
 *   --coverage CLASSES       also which branches of the compiled classes in this directory were taken, and which not;
 *                            needs JaCoCo's agent in this JVM
 *   --missed N               then, until at most N of those branches were never taken, or ten times so many messages sent
 *   --socket S --control C --pid P   a daemon that has no other client, instead of servers in this process; with
 *   --name N --chunk BYTES --description TEXT --generation G --save FILE
 *                            what it serves, and where to write what it then holds
 * </pre>
 */
final class Fuzzer {

    private static final long REPORT_NANOS = 60_000_000_000L;
    /** How many times as long chance is given to come to every branch. */
    private static final int CHANCE_FACTOR = 10;

    /** A round that makes no progress for so long hangs; the dialogue's own patience is shorter. */
    private static final int HANG_SECONDS = 150;

    private Fuzzer() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i], arguments[i + 1]);
        }
        long seed = Long.parseLong(options.getOrDefault("--seed", "1"));
        long messageCount = Long.parseLong(options.getOrDefault("--messages", Long.toString(Long.MAX_VALUE)));
        long minutes = Long.parseLong(options.getOrDefault("--minutes", "1000000"));
        String classes = options.get("--coverage");
        Coverage coverage = classes == null ? null : new Coverage(Path.of(classes));
        Campaign campaign = new Campaign();
        watch(campaign);
        long missedCount = Long.parseLong(options.getOrDefault("--missed", Long.toString(Long.MAX_VALUE)));
        long untilNanos = System.nanoTime() + minutes * 60_000_000_000L;
        BooleanSupplier isEnough = () -> {
            long sentCount = campaign.totals().messageCount;
            if (System.nanoTime() > untilNanos || sentCount / CHANCE_FACTOR >= messageCount) {
                return true;
            }
            return sentCount >= messageCount && (coverage == null || coverage.missedCount() <= missedCount);
        };
        boolean passed = run(campaign, options, seed, isEnough);
        System.out.println((passed ? "done: " : "failed: ") + campaign.totals());
        if (coverage != null) {
            coverage.print();
        }
        System.exit(passed ? 0 : 1); // threads that hang are no reason to stay
    }

    private static boolean run(Campaign campaign, Map<String, String> options, long firstSeed, BooleanSupplier isEnough)
            throws IOException {
        long seed = firstSeed;
        long reportNanos = System.nanoTime() + REPORT_NANOS;
        String socket = options.get("--socket");
        RemoteTarget remote = socket == null
                ? null
                : new RemoteTarget(
                        Path.of(socket),
                        Path.of(options.get("--control")),
                        Long.parseLong(options.get("--pid")),
                        options.get("--name"),
                        options.getOrDefault("--description", ""),
                        Long.parseLong(options.getOrDefault("--generation", "0")),
                        Integer.parseInt(options.get("--chunk")));
        try {
            while (!isEnough.getAsBoolean()) {
                if (remote == null) {
                    campaign.round(seed);
                } else {
                    campaign.round(remote, seed);
                }
                seed++;
                if (System.nanoTime() > reportNanos) {
                    reportNanos = System.nanoTime() + REPORT_NANOS;
                    System.out.println("so far " + campaign.totals());
                }
            }
            save(remote, options.get("--save"));
            System.out.println("next seed " + seed);
            return true;
        } catch (FuzzFailure e) {
            e.printStackTrace(System.out);
            System.out.println("in " + campaign.doing());
            System.out.println("again: --seed " + seed + " --messages 1");
            return false;
        }
    }

    private static void save(@Nullable RemoteTarget remote, @Nullable String file) throws IOException {
        if (remote != null) {
            if (file != null) {
                remote.save(Path.of(file));
            }
            remote.close();
        }
    }

    /** Ends the process with a look at all of its threads when nothing moves. */
    private static void watch(Campaign campaign) {
        Thread.ofPlatform().daemon().name("fuzz-watch").start(() -> {
            long turns = -1;
            while (turns != campaign.turns()) {
                turns = campaign.turns();
                try {
                    Thread.sleep(HANG_SECONDS * 1000L);
                } catch (InterruptedException e) {
                    return;
                }
            }
            System.out.println("failed: nothing has moved for " + HANG_SECONDS + " s in " + campaign.doing());
            Thread.getAllStackTraces().forEach((thread, stack) -> {
                System.out.println(thread);
                for (StackTraceElement frame : stack) {
                    System.out.println("    " + frame);
                }
            });
            Runtime.getRuntime().halt(1);
        });
    }
}
