package ramback.nbd;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a server offers, in the order in which LIST shows it. Immutable. */
record Exports(List<Export> all) {

    Exports {
        all = List.copyOf(all);
        Set<String> names = new HashSet<>();
        for (Export export : all) {
            if (!names.add(export.name())) {
                throw new IllegalArgumentException("two exports are named " + export.name());
            }
        }
    }

    /** How many clients all of them together take. */
    int sessionCountMax() {
        return all.stream()
                .mapToInt(export -> export.device().sessionCountMax())
                .sum();
    }

    /** Returns the export of this name; the empty name means the only export, and nothing when there are several. */
    @Nullable
    Export find(String name) {
        if (name.isEmpty()) {
            return all.size() == 1 ? all.getFirst() : null;
        }
        for (Export export : all) {
            if (export.name().equals(name)) {
                return export;
            }
        }
        return null;
    }
}
