package ramback.ublk;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.traffic.Traffic;

/**
 * Serves memory as a block device until it is killed, to try real filesystems and to measure the server alone:
 * {@code ServeUblk FILE MIB [recover=ID] [queues=N] [name=NAME] [hold=PATH] [read-only] [deferring] [copying]
 * [leaving] [counting]}. The memory is that of FILE, so that it outlives the process; {@code deferring} lets every
 * third request wait, and all of them while there is a file PATH, {@code copying} has reads copied, {@code leaving}
 * leaves the block device at SIGTERM instead of removing it, {@code counting} prints twice a second how many bytes the
 * queues' threads have allocated. {@code ServeUblk unavailable}, {@code remove NAME ID} and {@code find NAME} do only
 * that.
 */
final class ServeUblk {

    private ServeUblk() {}

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "unavailable" -> System.out.println(UblkDevice.unavailable().orElse("available"));
            case "remove" -> UblkDevice.remove(arguments[1], Integer.parseInt(arguments[2]));
            case "find" -> System.out.println(UblkDevice.find(arguments[1]));
            default -> serve(List.of(arguments));
        }
    }

    private static void serve(List<String> arguments) throws Exception {
        long sizeBytes = Long.parseLong(arguments.get(1)) << 20;
        MemorySegment memory = map(Path.of(arguments.get(0)), sizeBytes);
        RamDevice device =
                new RamDevice(value(arguments, "name", "ram"), memory, 4096, arguments.contains("read-only"), 16, 256);
        device.logging = false;
        device.direct = !arguments.contains("copying");
        Path hold = Path.of(value(arguments, "hold", "/nonexistent"));
        if (arguments.contains("deferring")) {
            defer(device, hold);
        }
        int id = Integer.parseInt(value(arguments, "recover", "-1"));
        UblkDevice made = id >= 0
                ? UblkDevice.recover(device, device.name(), id, new Traffic())
                : UblkDevice.create(
                        device, device.name(), Integer.parseInt(value(arguments, "queues", "1")), new Traffic());
        boolean isLeaving = arguments.contains("leaving");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(made, isLeaving)));
        System.out.println("ready " + made.id() + " " + made.path());
        while (made.isAlive()) {
            Thread.sleep(500); // for as long as somebody wants it
            if (arguments.contains("counting")) {
                System.out.println("allocated " + allocatedBytes("ublk-" + made.id() + "-"));
            }
        }
        System.out.println("served no longer");
    }

    /** What the queues' threads have allocated since they began. */
    private static long allocatedBytes(String threadPrefix) {
        var beans = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith(threadPrefix))
                .mapToLong(thread -> beans.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }

    private static void end(UblkDevice made, boolean isLeaving) {
        try {
            if (isLeaving) {
                made.leave();
            } else {
                made.close();
            }
            System.out.println(isLeaving ? "left" : "closed");
        } catch (UblkException e) {
            System.out.println(e.getMessage());
        }
    }

    /**
     * Every third request waits for a thread that finishes them in the order in which they came; all, while they are
     * held.
     */
    private static void defer(RamDevice device, Path hold) {
        AtomicInteger count = new AtomicInteger();
        device.deferWhere = request -> count.incrementAndGet() % 3 == 0 || Files.exists(hold);
        Thread.ofPlatform().daemon().name("finisher").start(() -> {
            try {
                while (true) {
                    RamDevice.Waiting next = device.waiting.take();
                    while (Files.exists(hold)) {
                        Thread.sleep(10); // for as long as the caller wants it
                    }
                    next.finish(Outcome.DONE);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    private static MemorySegment map(Path file, long sizeBytes) throws Exception {
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
            return channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, Arena.global());
        }
    }

    private static String value(List<String> arguments, String key, String otherwise) {
        return arguments.stream()
                .filter(argument -> argument.startsWith(key + "="))
                .map(argument -> argument.substring(key.length() + 1))
                .findFirst()
                .orElse(otherwise);
    }
}
