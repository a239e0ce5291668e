package ramback.nbd;

import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * Serves memory over NBD until it is killed, to try real clients by hand and to measure the server alone:
 * {@code ServeRam SOCKET MIB [WINDOW_MICROS [SHORT_WAITS]]}, with the memory in a file in {@code -Dram=DIR}.
 */
final class ServeRam {

    private ServeRam() {}

    public static void main(String[] arguments) throws Exception {
        Path socket = Path.of(arguments[0]);
        long sizeBytes = Long.parseLong(arguments[1]) << 20;
        PollingLimits polling = arguments.length > 2
                ? new PollingLimits(
                        Long.parseLong(arguments[2]) * 1000,
                        arguments.length > 3 ? Integer.parseInt(arguments[3]) : 8,
                        1024)
                : PollingLimits.DEFAULT;
        Path file = Files.createTempFile(Path.of(System.getProperty("ram", "/dev/shm")), "serve-ram", null);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            Files.delete(file);
            channel.write(java.nio.ByteBuffer.allocate(1), sizeBytes - 1);
            var memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes, Arena.global());
            memory.fill((byte) 7);
            RamDevice device = new RamDevice("ram", memory, 4096, false, 256, 256);
            device.logging = false;
            ServerLimits limits =
                    new ServerLimits(64, java.time.Duration.ofSeconds(10), java.time.Duration.ZERO, polling);
            NbdServer server = new NbdServer(List.of(new Export("ram", "memory", device)), limits);
            server.listenUnix(socket);
            System.out.println("ready " + ProcessHandle.current().pid());
            Thread.currentThread().join();
        }
    }
}
