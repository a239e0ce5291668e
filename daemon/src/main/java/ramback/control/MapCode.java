package ramback.control;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Arrays;
import java.util.Base64;
import org.jspecify.annotations.Nullable;
import ramback.engine.DeviceMap;

/**
 * A picture of all chunks as the dashboard gets it: two bytes a cell, in base64.
 *
 * <pre>
 *   first byte   bits 7-4  how much is in RAM, 0 to 15      second byte   how much is newer than the image, 0 to 255
 *                bits 3-1  how much of it is zeroes, 0 to 7
 *                bit  0    some is on its way between RAM and the image
 * </pre>
 *
 * 0 means nothing at all and the greatest value everything: whatever lies between is shown as something between. A change is told
 * as four bytes a cell that changed: its number, big end first, and its two bytes.
 */
final class MapCode {

    private static final int CELL_BYTES = 2;
    private static final int CHANGE_BYTES = 4;

    private MapCode() {}

    /** The bytes of a picture. */
    static byte[] encode(DeviceMap map) {
        byte[] bytes = new byte[map.cellCount() * CELL_BYTES];
        for (int cell = 0; cell < map.cellCount(); cell++) {
            long whole = map.chunkCount(cell);
            long loaded = map.loaded(cell);
            int zero = share(Math.min(map.zero(cell), loaded), Math.max(1, loaded), 7);
            bytes[cell * CELL_BYTES] =
                    (byte) (share(loaded, whole, 15) << 4 | zero << 1 | (map.isInFlight(cell) ? 1 : 0));
            bytes[cell * CELL_BYTES + 1] = (byte) share(map.dirty(cell), whole, 255);
        }
        return bytes;
    }

    /** A part as 0 to {@code most}, the ends only for nothing and for all of it. */
    static int share(long part, long whole, int most) {
        if (part <= 0) {
            return 0;
        }
        return part >= whole ? most : Math.clamp(Math.round((double) part / whole * most), 1, most - 1);
    }

    /**
     * What changed between two pictures of one device with the same cells.
     *
     * @return null when telling all of it takes no more
     */
    static byte @Nullable [] changes(byte[] before, byte[] now) {
        byte[] changes = new byte[now.length];
        int length = 0;
        for (int at = 0; at < now.length; at += CELL_BYTES) {
            if (now[at] != before[at] || now[at + 1] != before[at + 1]) {
                if (length + CHANGE_BYTES > changes.length) {
                    return null;
                }
                int cell = at / CELL_BYTES;
                changes[length] = (byte) (cell >>> 8);
                changes[length + 1] = (byte) cell;
                changes[length + 2] = now[at];
                changes[length + 3] = now[at + 1];
                length += CHANGE_BYTES;
            }
        }
        return Arrays.copyOf(changes, length);
    }

    /** Writes all of a picture: {@code {"chunks":N,"chunksPerCell":N,"cells":N,"all":BASE64}}. */
    static void writeAll(JsonGenerator json, DeviceMap map, byte[] encoded) throws IOException {
        json.writeStartObject();
        json.writeNumberField("chunks", map.chunkCount());
        json.writeNumberField("chunksPerCell", map.chunksPerCell());
        json.writeNumberField("cells", map.cellCount());
        json.writeStringField("all", Base64.getEncoder().encodeToString(encoded));
        json.writeEndObject();
    }

    /** Writes what changed: {@code {"changes":BASE64}}. */
    static void writeChanges(JsonGenerator json, byte[] changes) throws IOException {
        json.writeStartObject();
        json.writeStringField("changes", Base64.getEncoder().encodeToString(changes));
        json.writeEndObject();
    }
}
