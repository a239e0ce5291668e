package ramback.engine;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import ramback.posix.Posix;

/** Breaks files that this process has open, as a disk that fails does: every write to them fails from then on. */
public final class DescriptorFault {

    @SuppressWarnings("restricted") // what breaks descriptors is not for the product's own downcalls
    private static final MethodHandle DUP2 = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().findOrThrow("dup2"),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    private DescriptorFault() {}

    /** Puts the device that is always full behind every descriptor of a file; returns how many there were. */
    public static int breakWritesTo(Path file) throws IOException {
        int full = Posix.open(Path.of("/dev/full"), Posix.O_RDWR, 0);
        int count = 0;
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            for (Path link : links.toList()) {
                if (isOf(link, file.toRealPath())) {
                    replace(full, Integer.parseInt(link.getFileName().toString()));
                    count++;
                }
            }
        } finally {
            Posix.close(full);
        }
        return count;
    }

    /** How many descriptors of a file this process has. */
    public static int countOf(Path file) throws IOException {
        int count = 0;
        List<Path> descriptors;
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            descriptors = links.toList();
        }
        for (Path link : descriptors) {
            count += isOf(link, file.toRealPath()) ? 1 : 0;
        }
        return count;
    }

    private static boolean isOf(Path link, Path file) throws IOException {
        try {
            return Files.readSymbolicLink(link).equals(file);
        } catch (NoSuchFileException e) {
            return false; // closed meanwhile
        }
    }

    private static void replace(int by, int descriptor) throws IOException {
        int result;
        try {
            result = (int) DUP2.invokeExact(by, descriptor);
        } catch (Throwable e) { // a method handle's signature says no less
            throw new AssertionError(e);
        }
        if (result != descriptor) {
            throw new IOException("descriptor " + descriptor + " can't be replaced");
        }
    }
}
