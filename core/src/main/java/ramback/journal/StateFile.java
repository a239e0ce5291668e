package ramback.journal;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * What is known about an image beside its bytes: whose it is, what it needs to be whole, and whether it is whole by itself. It
 * lies in a small text file beside the image, by which an image can say that it needs its journal:
 *
 * <pre>
 * ramback-state: 1
 * device: 0f8fad5b-d9cb-469f-a165-70867728950e
 * generation: 00c0ffee00c0ffee
 * generation-before: 0000000000000000
 * mode: checkpoint
 * journal: /disks/disk.img.journal
 * segment: /dev/shm/ramback/disk-801-1a2b.ram
 * boot: 6f1f6d1b-3c0a-4c4e-9b1c-1d6b0a0d7d55
 * clean: no
 * crc32c: 5d0b1c3e
 * </pre>
 *
 * <p>ASCII, one {@code key: value} a line. The first and the last line are the same in every version of the format; the last holds the
 * CRC-32C of all bytes before it. After a clean stop {@code clean} is yes and the keys {@code size}, {@code modified} and {@code changed}
 * say what the image was like then. In paths, a backslash and everything that is not printable ASCII is written as
 * backslash, u and four hexadecimal digits a UTF-16 unit. Keys that are not known are passed over. The keys {@code export-generation} and
 * {@code suspect} are there only where they say something. docs/state-format.md describes all of it.
 *
 * @param deviceId of the device that image, journal and memory belong to
 * @param generation of this attachment: random, new at every start; the journal has the same once it is fenced
 * @param generationBefore what the journal had before, until it is fenced; 0 if there was none
 * @param mode the word of the mode in which it is being served, or was
 * @param journal the path of the journal, or null if none is kept
 * @param segment the path of the memory segment, or null if there is none
 * @param bootId of the boot in which that was written
 * @param cleanImage what the image was like after its clean stop, or null while it is not clean
 * @param exportGeneration how often a start had to go on without acknowledged writes
 * @param suspect blocks in which somebody else changed the image, ascending, until that is accepted
 */
public record StateFile(
        UUID deviceId,
        long generation,
        long generationBefore,
        String mode,
        @Nullable String journal,
        @Nullable String segment,
        String bootId,
        @Nullable CleanImage cleanImage,
        long exportGeneration,
        List<Blocks> suspect) {

    /** A state in which nothing was ever lost, and nothing is suspect. */
    public StateFile(
            UUID deviceId,
            long generation,
            long generationBefore,
            String mode,
            @Nullable String journal,
            @Nullable String segment,
            String bootId,
            @Nullable CleanImage cleanImage) {
        this(deviceId, generation, generationBefore, mode, journal, segment, bootId, cleanImage, 0, List.of());
    }

    /** The version of the format that is written here, and the newest that is read. */
    public static final int VERSION = 1;

    /** More than any state file has. */
    public static final int LENGTH_BYTES_MAX = 64 << 10;

    private static final String NONE = "none";
    private static final String VERSION_KEY = "ramback-state";
    private static final String CHECK_KEY = "crc32c";
    private static final String EXPORT_KEY = "export-generation";
    private static final String SUSPECT_KEY = "suspect";
    private static final Pattern WORD = Pattern.compile("[a-z-]{1,32}");
    private static final Pattern BOOT_ID = Pattern.compile("[0-9a-f-]{1,64}");
    private static final Pattern GENERATION = Pattern.compile("[0-9a-f]{16}");
    private static final Pattern COUNT = Pattern.compile("-?[0-9]{1,19}");
    private static final Pattern BLOCKS = Pattern.compile("([0-9]{1,18})(?:-([0-9]{1,18}))?");
    private static final Pattern DEVICE_ID =
            Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");

    /**
     * What tells, without reading it, that an image is still what it was.
     *
     * @param modifiedNanos time of the last change of content, nanoseconds since 1970
     * @param changedNanos time of the last change of content or attributes, nanoseconds since 1970
     */
    public record CleanImage(long sizeBytes, long modifiedNanos, long changedNanos) {}

    /**
     * Some blocks of an image, of {@link ImageChecksums#BLOCK_BYTES} each.
     *
     * @param last included
     */
    public record Blocks(long first, long last) {}

    /** More ranges of suspect blocks are not told apart: the last one then reaches to the last block of all. */
    public static final int SUSPECT_COUNT_MAX = 1000;

    /** What the bytes of a state file turned out to be. */
    public sealed interface Reading {

        /** A state. */
        record Whole(StateFile state) implements Reading {}

        /** A state of a format that is newer than this program. */
        record Newer(String version) implements Reading {}

        /** Not a state file, or one in which something was changed; why is said in a few words. */
        record Damaged(String reason) implements Reading {}
    }

    /** Whether the image holds everything by itself. */
    public boolean isClean() {
        return cleanImage != null;
    }

    /**
     * The same device, whole now and not served.
     *
     * @param keptSegment the path of memory that is kept for the next start, or null
     */
    public StateFile cleaned(CleanImage image, @Nullable String keptSegment) {
        return new StateFile(
                deviceId,
                generation,
                generationBefore,
                mode,
                journal,
                keptSegment,
                bootId,
                image,
                exportGeneration,
                suspect);
    }

    /** The same device, served in another mode. */
    public StateFile inMode(String word) {
        return new StateFile(
                deviceId,
                generation,
                generationBefore,
                word,
                journal,
                segment,
                bootId,
                cleanImage,
                exportGeneration,
                suspect);
    }

    /** The same, with other blocks suspect. */
    public StateFile suspecting(List<Blocks> blocks) {
        return new StateFile(
                deviceId,
                generation,
                generationBefore,
                mode,
                journal,
                segment,
                bootId,
                cleanImage,
                exportGeneration,
                joined(blocks));
    }

    private static List<Blocks> joined(List<Blocks> blocks) {
        if (blocks.size() <= SUSPECT_COUNT_MAX) {
            return List.copyOf(blocks);
        }
        List<Blocks> fewer = new ArrayList<>(blocks.subList(0, SUSPECT_COUNT_MAX));
        Blocks last = fewer.removeLast();
        fewer.add(new Blocks(last.first(), blocks.getLast().last()));
        return List.copyOf(fewer);
    }

    /** The same device, after a start that went on without acknowledged writes. */
    public StateFile withExportGeneration(long number) {
        return new StateFile(
                deviceId, generation, generationBefore, mode, journal, segment, bootId, cleanImage, number, suspect);
    }

    // ----------------------------------------------------------------------------------------------------- writing

    /** The bytes of the file. */
    public byte[] encode() {
        StringBuilder text = new StringBuilder(512);
        line(text, VERSION_KEY, Integer.toString(VERSION));
        line(text, "device", deviceId.toString());
        line(text, "generation", HexFormat.of().toHexDigits(generation));
        line(text, "generation-before", HexFormat.of().toHexDigits(generationBefore));
        line(text, "mode", mode);
        line(text, "journal", journal == null ? NONE : escaped(journal));
        line(text, "segment", segment == null ? NONE : escaped(segment));
        line(text, "boot", bootId);
        CleanImage image = cleanImage;
        line(text, "clean", image == null ? "no" : "yes");
        if (image != null) {
            line(text, "size", Long.toString(image.sizeBytes()));
            line(text, "modified", Long.toString(image.modifiedNanos()));
            line(text, "changed", Long.toString(image.changedNanos()));
        }
        if (exportGeneration != 0) {
            line(text, EXPORT_KEY, Long.toString(exportGeneration));
        }
        if (!suspect.isEmpty()) {
            StringBuilder ranges = new StringBuilder();
            for (Blocks blocks : suspect) {
                ranges.append(ranges.isEmpty() ? "" : " ").append(blocks.first());
                if (blocks.last() != blocks.first()) {
                    ranges.append('-').append(blocks.last());
                }
            }
            line(text, SUSPECT_KEY, ranges.toString());
        }
        byte[] body = text.toString().getBytes(US_ASCII);
        line(text, CHECK_KEY, HexFormat.of().toHexDigits(checksum(body, body.length)));
        return text.toString().getBytes(US_ASCII);
    }

    private static void line(StringBuilder text, String key, String value) {
        text.append(key).append(": ").append(value).append('\n');
    }

    private static int checksum(byte[] bytes, int lengthBytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, lengthBytes);
        return (int) crc.getValue();
    }

    private static String escaped(String path) {
        StringBuilder text = new StringBuilder(path.length());
        for (int i = 0; i < path.length(); i++) {
            char unit = path.charAt(i);
            if (unit < 0x20 || unit > 0x7e || unit == '\\') {
                text.append("\\u").append(HexFormat.of().toHexDigits(unit));
            } else {
                text.append(unit);
            }
        }
        return text.toString();
    }

    // ----------------------------------------------------------------------------------------------------- reading

    /** Reads what {@link #encode} wrote, in this version or another. Any bytes have an answer. */
    public static Reading decode(byte[] bytes) {
        try {
            return read(bytes);
        } catch (Unreadable e) {
            return new Reading.Damaged(e.reason);
        }
    }

    /** Why bytes are not a state. */
    private static final class Unreadable extends Exception {
        private static final long serialVersionUID = 1L;
        final String reason;

        Unreadable(String reason) {
            super(reason, null, false, false);
            this.reason = reason;
        }
    }

    private static Reading read(byte[] bytes) throws Unreadable {
        if (bytes.length == 0) {
            throw new Unreadable("it is empty");
        }
        if (bytes.length > LENGTH_BYTES_MAX) {
            throw new Unreadable("it is longer than " + LENGTH_BYTES_MAX + " bytes");
        }
        for (byte b : bytes) {
            if ((b < 0x20 || b > 0x7e) && b != '\n') {
                throw new Unreadable("it is not text");
            }
        }
        String text = new String(bytes, US_ASCII);
        int checkAt = text.lastIndexOf('\n', text.length() - 2) + 1;
        String check = "%s: %s\n".formatted(CHECK_KEY, HexFormat.of().toHexDigits(checksum(bytes, checkAt)));
        if (!text.substring(checkAt).equals(check)) {
            throw new Unreadable("its checksum does not fit");
        }
        Map<String, String> values = lines(text.substring(0, checkAt));
        String version = value(values, VERSION_KEY, COUNT);
        if (!version.equals(Integer.toString(VERSION))) {
            return new Reading.Newer(version);
        }
        return new Reading.Whole(state(values));
    }

    private static Map<String, String> lines(String text) throws Unreadable {
        Map<String, String> values = new LinkedHashMap<>();
        int begin = 0;
        while (begin < text.length()) {
            int end = text.indexOf('\n', begin);
            int colon = text.indexOf(": ", begin);
            if (colon < 0 || colon > end) {
                throw new Unreadable("a line of it is not 'key: value'");
            }
            if (begin == 0 && !text.startsWith(VERSION_KEY + ": ")) {
                throw new Unreadable("it does not begin with '" + VERSION_KEY + "'");
            }
            String key = text.substring(begin, colon);
            if (values.put(key, text.substring(colon + 2, end)) != null) {
                throw new Unreadable("it says '" + key + "' twice");
            }
            begin = end + 1;
        }
        return values;
    }

    private static StateFile state(Map<String, String> values) throws Unreadable {
        String clean = value(values, "clean", WORD);
        if (!clean.equals("yes") && !clean.equals("no")) {
            throw new Unreadable("its 'clean' is neither yes nor no");
        }
        return new StateFile(
                UUID.fromString(value(values, "device", DEVICE_ID)),
                HexFormat.fromHexDigitsToLong(value(values, "generation", GENERATION)),
                HexFormat.fromHexDigitsToLong(value(values, "generation-before", GENERATION)),
                value(values, "mode", WORD),
                path(values, "journal"),
                path(values, "segment"),
                value(values, "boot", BOOT_ID),
                clean.equals("yes")
                        ? new CleanImage(count(values, "size"), count(values, "modified"), count(values, "changed"))
                        : null,
                values.containsKey(EXPORT_KEY) ? count(values, EXPORT_KEY) : 0,
                suspect(values.get(SUSPECT_KEY)));
    }

    private static List<Blocks> suspect(@Nullable String text) throws Unreadable {
        if (text == null) {
            return List.of();
        }
        List<Blocks> ranges = new ArrayList<>();
        long after = -1;
        for (String word : text.split(" ", -1)) {
            Matcher matcher = BLOCKS.matcher(word);
            if (!matcher.matches()) {
                throw new Unreadable("its '" + SUSPECT_KEY + "' can't be read");
            }
            long first = Long.parseLong(matcher.group(1));
            long last = matcher.group(2) == null ? first : Long.parseLong(matcher.group(2));
            if (first <= after || last < first || ranges.size() == SUSPECT_COUNT_MAX) {
                throw new Unreadable("its '" + SUSPECT_KEY + "' is not in order");
            }
            ranges.add(new Blocks(first, last));
            after = last;
        }
        return List.copyOf(ranges);
    }

    private static String value(Map<String, String> values, String key, @Nullable Pattern form) throws Unreadable {
        String value = values.get(key);
        if (value == null) {
            throw new Unreadable("it lacks '" + key + "'");
        }
        if (form != null && !form.matcher(value).matches()) {
            throw new Unreadable("its '" + key + "' can't be read");
        }
        return value;
    }

    private static long count(Map<String, String> values, String key) throws Unreadable {
        try {
            return Long.parseLong(value(values, key, COUNT));
        } catch (NumberFormatException e) {
            throw new Unreadable("its '" + key + "' is too large");
        }
    }

    private static @Nullable String path(Map<String, String> values, String key) throws Unreadable {
        String value = value(values, key, null);
        if (value.equals(NONE)) {
            return null;
        }
        StringBuilder path = new StringBuilder(value.length());
        for (int i = 0; i < value.length(); i++) {
            char unit = value.charAt(i);
            if (unit == '\\') {
                String escape = value.substring(i, Math.min(value.length(), i + 6));
                if (!escape.matches("\\\\u[0-9a-f]{4}")) {
                    throw new Unreadable("its '" + key + "' can't be read");
                }
                unit = (char) HexFormat.fromHexDigits(escape, 2, 6);
                i += 5;
            }
            path.append(unit);
        }
        return path.toString();
    }
}
