package ramback.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import ramback.journal.StateFileStore;

/** Where a journal can't be, because something else of the same image lies there, or will: one would be written over the other. */
final class JournalPlace {

    private JournalPlace() {}

    /**
     * Refuses a journal in such a place; changes nothing.
     *
     * @param image open
     * @param store of its state, not read yet, so that it still has all places where that may be written
     */
    static void check(Path journal, Image image, StateFileStore store) throws Refusal {
        Path unfinished = FoundJournal.unfinished(journal);
        Path path = image.path();
        if (path != null && isSame(journal, path)) {
            throw bad(journal, "is the image itself");
        }
        if (path != null && isSame(unfinished, path)) {
            throw bad(journal, "would be made as " + unfinished + ", which is the image");
        }
        for (Path place : store.places()) {
            if (isSame(journal, place)) {
                throw bad(journal, "is where the state file of image " + image.place() + " is written");
            }
            if (isSame(unfinished, place)) {
                throw bad(
                        journal,
                        "would be made as " + unfinished + ", where the state file of image " + image.place()
                                + " is written");
            }
        }
    }

    private static Refusal bad(Path journal, String what) {
        return new Refusal(Refusal.Kind.USAGE, "bad --journal '" + journal + "': that " + what + "; name another file");
    }

    /** Whether two paths, of files that need not exist, lead to the same one. */
    private static boolean isSame(Path one, Path other) {
        List<Path> both = List.of(one, other);
        try {
            if (both.stream().allMatch(Files::exists)) {
                return Files.isSameFile(one, other);
            }
        } catch (IOException e) {
            // One of them is gone again, or can't be looked at: then their names decide.
        }
        return resolved(one).equals(resolved(other));
    }

    private static Path resolved(Path file) {
        Path absolute = file.toAbsolutePath();
        Path parent = absolute.getParent();
        if (parent == null) {
            return absolute;
        }
        try {
            return parent.toRealPath().resolve(absolute.getFileName());
        } catch (IOException e) {
            return absolute.normalize();
        }
    }
}
