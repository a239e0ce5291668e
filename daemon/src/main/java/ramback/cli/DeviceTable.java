package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachedDisk;
import ramback.control.Light;
import ramback.control.StatusReport;
import ramback.power.ForeignText;

/** Devices as a table: which columns there are, and which of them fit. */
final class DeviceTable {

    /** What stands where there is nothing to tell. */
    private static final String NOTHING = "-";

    private static final int NAME_CELLS_MIN = 8;
    private static final int NAME_CELLS_MAX = 64;

    /** A column's content for one device. */
    private interface Content {
        String of(Watched device, long nowNanos, StatusScreen.Style style);
    }

    /**
     * A column.
     *
     * @param cellCount how wide it always is on a screen, so that nothing moves when a number grows
     * @param rank what is left out where there is no room: the greatest first; 0 never
     */
    record Column(String title, int cellCount, boolean isNumber, int rank, Content content) {

        /** A cell's text in as many cells as the column has, or in this many for the one that has what is left. */
        String padded(String text, int count) {
            String cut = text.length() <= count ? text : text.substring(0, Math.max(0, count));
            String space = " ".repeat(count - cut.length());
            return isNumber ? space + cut : cut + space;
        }
    }

    private static final Column NAME = new Column("NAME", NAME_CELLS_MIN, false, 0, (device, _, _) -> device.name());

    /** The light's is the second one: it is drawn in its colour. */
    static final int LIGHT_INDEX = 1;

    private static final List<Column> COLUMNS = List.of(
            NAME,
            new Column("LIGHT", 7, false, 0, DeviceTable::light),
            new Column("MODE", 12, false, 2, (device, _, _) -> mode(device)),
            new Column("STATE", 8, false, 1, (device, now, _) -> device.state(now)),
            new Column("LOAD", 4, true, 6, (device, _, _) -> loaded(device)),
            new Column("DIRTY", 5, true, 4, (device, _, _) -> dirty(device)),
            new Column("LOSS", 5, true, 3, (device, _, _) -> loss(device)),
            new Column("RD/s", 5, true, 7, (device, now, _) -> count(device, now, StatusReport::readCount)),
            new Column("WR/s", 5, true, 7, (device, now, _) -> count(device, now, StatusReport::writeCount)),
            new Column("P99", 6, true, 5, (device, _, _) -> p99(device)),
            new Column("RD B/s", 6, true, 9, (device, now, _) -> bytes(device, now, StatusReport::readBytes)),
            new Column("WR B/s", 6, true, 9, (device, now, _) -> bytes(device, now, StatusReport::writeBytes)),
            new Column("POWER", 11, false, 8, (device, _, _) -> power(device)),
            new Column("ATTACHED", 8, false, 10, (device, _, _) -> attached(device)));

    private final List<Column> columns;
    private final int nameCellCount;

    private DeviceTable(List<Column> columns, int nameCellCount) {
        this.columns = columns;
        this.nameCellCount = nameCellCount;
    }

    /** The table that fits so many cells a line; one column and a cell between it and the next at least. */
    static DeviceTable fitting(int cellCount) {
        List<Column> columns = new ArrayList<>(COLUMNS);
        while (columns.size() > 1 && cellCount(columns) > cellCount) {
            int least = columns.stream().mapToInt(Column::rank).max().orElse(0);
            if (least == 0) {
                columns.removeLast();
            } else {
                columns.removeIf(column -> column.rank() == least);
            }
        }
        int left = cellCount - cellCount(columns);
        return new DeviceTable(List.copyOf(columns), Math.clamp(NAME_CELLS_MIN + left, 1, NAME_CELLS_MAX));
    }

    private static int cellCount(List<Column> columns) {
        return columns.stream().mapToInt(Column::cellCount).sum() + columns.size() - 1;
    }

    /** The table's columns; {@link #LIGHT_INDEX} holds if there are more than one. */
    List<Column> columns() {
        return columns;
    }

    /** The titles, each as wide as its column. */
    List<String> titles() {
        return columns.stream().map(column -> padded(column, column.title())).toList();
    }

    /** A device's cells, each as wide as its column. */
    List<String> cells(Watched device, long nowNanos, StatusScreen.Style style) {
        return columns.stream()
                .map(column -> padded(column, column.content().of(device, nowNanos, style)))
                .toList();
    }

    private String padded(Column column, String text) {
        return column.padded(text, column.equals(NAME) ? nameCellCount : column.cellCount());
    }

    /** All of the table as plain lines, as wide as they have to be. */
    static List<String> lines(List<Watched> devices, long nowNanos, StatusScreen.Style style) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(COLUMNS.stream().map(Column::title).toList());
        for (Watched device : devices) {
            rows.add(COLUMNS.stream()
                    .map(column -> column.content().of(device, nowNanos, style))
                    .toList());
        }
        int[] widths = new int[COLUMNS.size()];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        List<String> lines = new ArrayList<>();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                line.append(i == 0 ? "" : "  ").append(COLUMNS.get(i).padded(row.get(i), widths[i]));
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }

    private static String light(Watched device, long nowNanos, StatusScreen.Style style) {
        Light light = device.light(nowNanos);
        return light == null ? "? none" : style.dot() + " " + light.word();
    }

    private static String mode(Watched device) {
        StatusReport status = device.status();
        return status == null ? NOTHING : ForeignText.printable(status.mode());
    }

    private static String loaded(Watched device) {
        StatusReport status = device.status();
        return status == null ? NOTHING : (int) StatusScreen.percent(status.loadedChunks(), status.chunks()) + "%";
    }

    private static String dirty(Watched device) {
        StatusReport status = device.status();
        return status == null ? NOTHING : Quantities.shortBytes(status.dirtyBytes());
    }

    private static String loss(Watched device) {
        StatusReport status = device.status();
        if (status == null) {
            return NOTHING;
        }
        if (status.lossBytes() == 0) {
            return "none";
        }
        return status.mode().equals("unsafe") ? "all" : Quantities.shortBytes(status.lossBytes());
    }

    private static @Nullable Double rate(Watched device, long nowNanos, ToLongFunction<StatusReport> count) {
        double rate = device.rate(count);
        return rate < 0 || !device.isFresh(nowNanos) ? null : rate;
    }

    private static String count(Watched device, long nowNanos, ToLongFunction<StatusReport> count) {
        Double rate = rate(device, nowNanos, count);
        return rate == null ? NOTHING : Quantities.shortCount(rate);
    }

    private static String bytes(Watched device, long nowNanos, ToLongFunction<StatusReport> count) {
        Double rate = rate(device, nowNanos, count);
        return rate == null ? NOTHING : Quantities.shortBytes(Math.round(rate));
    }

    private static String p99(Watched device) {
        double seconds = device.p99Seconds();
        return seconds < 0 ? NOTHING : Quantities.ofShortTime(seconds).replace(" ", "");
    }

    /** By what. */
    private static String attached(Watched device) {
        StatusReport status = device.status();
        AttachedDisk attached = status == null ? null : status.attached();
        if (attached == null) {
            return NOTHING;
        }
        return attached.isLeft() ? "(left)" : ForeignText.printable(attached.via());
    }

    private static String power(Watched device) {
        StatusReport status = device.status();
        if (status == null
                || status.power().state().isEmpty()
                || status.power().state().equals("none")) {
            return NOTHING;
        }
        return ForeignText.printable(status.power().state());
    }
}
