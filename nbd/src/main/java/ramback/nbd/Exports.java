package ramback.nbd;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.device.Device;

/** What a server offers, in the order in which LIST shows it. Immutable. */
record Exports(List<Export> all) {

    /** Between an export's name and its generation. */
    private static final char GENERATION = '@';

    Exports {
        all = List.copyOf(all);
        Set<String> names = new HashSet<>();
        for (Export export : all) {
            if (!names.add(export.name())) {
                throw new IllegalArgumentException("two exports are named " + export.name());
            }
        }
    }

    /** How many clients all of them together take: those of one device share its sessions. */
    int sessionCountMax() {
        return all.stream()
                .map(Export::device)
                .distinct()
                .mapToInt(Device::sessionCountMax)
                .sum();
    }

    /**
     * Returns the export of this name, or of this name and generation; the empty name means the only export that is no view, and
     * nothing when there are several.
     */
    @Nullable
    Export find(String name) {
        if (name.isEmpty()) {
            return defaultExport();
        }
        for (Export export : all) {
            if (export.name().equals(name) || name.equals(generationName(export))) {
                return export;
            }
        }
        return null;
    }

    private @Nullable Export defaultExport() {
        Export found = null;
        for (Export export : all) {
            if (!export.isView()) {
                if (found != null) {
                    return null;
                }
                found = export;
            }
        }
        return found;
    }

    private static String generationName(Export export) {
        return export.name() + GENERATION + export.generation();
    }

    /** What is said to a client that asks for an export which is not there, or not any more. */
    String refusal(String name) {
        for (Export export : all) {
            if (name.startsWith(export.name() + GENERATION)) {
                return "export " + export.name() + " has generation " + export.generation()
                        + " now: it came back without"
                        + " something that it had acknowledged; check what is on it, and connect anew as "
                        + generationName(export);
            }
        }
        return "no export of that name here; LIST shows the names";
    }
}
