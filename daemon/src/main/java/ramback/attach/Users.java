package ramback.attach;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import ramback.posix.Mount;
import ramback.posix.MountTable;

/**
 * Who has something open, as far as {@code /proc} shows it to this process: what fuser(1) would say. A picture of
 * some moment; nothing is concluded from an empty one.
 *
 * @param names of the processes, each with its number
 */
record Users(List<String> names) {

    /** As many as a line can name. */
    private static final int NAMED_MAX = 3;

    static final Users NONE = new Users(List.of());

    private static final List<String> LINKS = List.of("cwd", "root", "exe");

    /** Who has one of these block devices open. */
    static Users ofDevices(Path root, List<Path> devices) {
        List<String> names = devices.stream().map(Path::toString).toList();
        return search(root, names::contains);
    }

    /** Who has a file below a directory open, runs from there or is in it. */
    static Users ofDirectory(Path root, String directory) {
        return search(root, target -> target.equals(directory) || target.startsWith(directory + "/"));
    }

    /** Who sees such a mount, as far as this process may look. */
    static Users ofMounts(Path root, Predicate<Mount> isMeant) {
        return searchProcesses(root, process -> sees(process, isMeant));
    }

    private static boolean sees(Path process, Predicate<Mount> isMeant) {
        try {
            return !MountTable.read(process.resolve("mountinfo")).where(isMeant).isEmpty();
        } catch (IOException e) {
            return false; // it ended, or is none of ours to look at
        }
    }

    private static Users search(Path root, Predicate<String> isMeant) {
        return searchProcesses(root, process -> uses(process, isMeant));
    }

    private static Users searchProcesses(Path root, Predicate<Path> isMeant) {
        List<String> names = new ArrayList<>();
        String own = Long.toString(ProcessHandle.current().pid());
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(root.resolve("proc"), "[0-9]*")) {
            for (Path process : processes) {
                String pid = process.getFileName().toString();
                if (!pid.equals(own) && isMeant.test(process)) {
                    names.add(nameOf(process) + " (pid " + pid + ")");
                }
            }
        } catch (IOException | java.nio.file.DirectoryIteratorException e) {
            return new Users(List.copyOf(names));
        }
        return new Users(List.copyOf(names));
    }

    private static boolean uses(Path process, Predicate<String> isMeant) {
        for (String link : LINKS) {
            if (pointsTo(process.resolve(link), isMeant)) {
                return true;
            }
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(process.resolve("fd"))) {
            for (Path file : files) {
                if (pointsTo(file, isMeant)) {
                    return true;
                }
            }
        } catch (IOException | java.nio.file.DirectoryIteratorException e) {
            return false; // it ended, or is none of ours to look at
        }
        return false;
    }

    private static boolean pointsTo(Path link, Predicate<String> isMeant) {
        try {
            return isMeant.test(Files.readSymbolicLink(link).toString());
        } catch (IOException e) {
            return false;
        }
    }

    private static String nameOf(Path process) {
        try {
            return Files.readString(process.resolve("comm")).strip();
        } catch (IOException e) {
            return "a process";
        }
    }

    boolean isEmpty() {
        return names.isEmpty();
    }

    /** The first few of them, for a message. */
    String text() {
        String first = names.stream().limit(NAMED_MAX).collect(Collectors.joining(", "));
        return names.size() <= NAMED_MAX ? first : first + " and " + (names.size() - NAMED_MAX) + " more";
    }
}
