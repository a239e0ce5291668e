package ramback.power;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a UPS said of itself at one moment.
 *
 * @param flags the words of {@code ups.status}, in upper case: OL, OB, LB, RB, FSD, CAL, OFF and more
 * @param runtimeSeconds {@code battery.runtime}: how long the battery lasts at the present load
 * @param runtimeLowSeconds {@code battery.runtime.low}: from when on the battery counts as low
 * @param chargePercent {@code battery.charge}, 0 to 100
 */
public record UpsReading(
        Set<String> flags,
        OptionalDouble runtimeSeconds,
        OptionalDouble runtimeLowSeconds,
        OptionalDouble chargePercent) {

    static final String STATUS = "ups.status";
    private static final String RUNTIME = "battery.runtime";
    private static final String RUNTIME_LOW = "battery.runtime.low";
    private static final String CHARGE = "battery.charge";

    /** From a UPS's variables; what is missing or no number that makes sense is left out. */
    static UpsReading of(Map<String, String> variables) {
        String status = variables.getOrDefault(STATUS, "");
        Set<String> flags = Arrays.stream(status.toUpperCase(Locale.ROOT).split("\\s+"))
                .filter(word -> !word.isEmpty())
                .collect(Collectors.toUnmodifiableSet());
        return new UpsReading(
                flags,
                number(variables.get(RUNTIME), Double.MAX_VALUE),
                number(variables.get(RUNTIME_LOW), Double.MAX_VALUE),
                number(variables.get(CHARGE), 100));
    }

    private static OptionalDouble number(@Nullable String text, double max) {
        if (text == null) {
            return OptionalDouble.empty();
        }
        try {
            double number = Double.parseDouble(text.strip());
            // Some drivers say -1 for "don't know".
            return number >= 0 && number <= max ? OptionalDouble.of(number) : OptionalDouble.empty();
        } catch (NumberFormatException e) {
            return OptionalDouble.empty();
        }
    }

    /** Whether the UPS says anything of its status: a driver that has only begun says nothing, or WAIT. */
    boolean hasStatus() {
        return !flags.isEmpty() && !flags.equals(Set.of("WAIT"));
    }

    /** Whether the status has this word. */
    boolean says(String flag) {
        return flags.contains(flag);
    }
}
