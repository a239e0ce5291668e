package ramback.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/** The text of {@code hexdump -C}: sixteen bytes a line, a star for lines that repeat the one before, the length at the end. */
final class HexDump {
    private static final int LINE_BYTES = 16;

    private HexDump() {}

    static List<String> of(byte[] bytes) {
        List<String> lines = new ArrayList<>();
        byte[] before = {};
        boolean starred = false;
        for (int at = 0; at < bytes.length; at += LINE_BYTES) {
            byte[] row = Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + LINE_BYTES));
            if (Arrays.equals(row, before)) {
                if (!starred) {
                    lines.add("*");
                }
                starred = true;
            } else {
                lines.add(line(at, row));
                starred = false;
            }
            before = row;
        }
        lines.add(String.format(Locale.ROOT, "%08x", bytes.length));
        return lines;
    }

    private static String line(int at, byte[] row) {
        StringBuilder hex = new StringBuilder();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < LINE_BYTES; i++) {
            hex.append(i == LINE_BYTES / 2 ? "  " : " ");
            hex.append(i < row.length ? HexFormat.of().toHexDigits(row[i]) : "  ");
            if (i < row.length) {
                text.append(row[i] >= ' ' && row[i] <= '~' ? (char) row[i] : '.');
            }
        }
        return String.format(Locale.ROOT, "%08x %s  |%s|", at, hex, text);
    }

    static byte[] parse(List<String> lines) {
        byte[] bytes = new byte[Integer.parseInt(lines.getLast(), 16)];
        byte[] row = {};
        int at = 0;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.equals("*")) {
                int end = Integer.parseInt(lines.get(i + 1).substring(0, 8), 16);
                for (; at < end; at += row.length) {
                    System.arraycopy(row, 0, bytes, at, row.length);
                }
            } else if (i < lines.size() - 1) {
                at = Integer.parseInt(line.substring(0, 8), 16);
                row = HexFormat.of()
                        .parseHex(line.substring(9, line.indexOf('|')).replace(" ", ""));
                System.arraycopy(row, 0, bytes, at, row.length);
                at += row.length;
            }
        }
        return bytes;
    }
}
