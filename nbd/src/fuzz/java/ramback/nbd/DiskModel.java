package ramback.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a device must hold: its bytes after everything that a conversation asks for, those before it, and each change in
 * between, so that a byte whose request was never answered may be old or new.
 */
final class DiskModel {

    /** A change that a conversation asks for; {@code bytes} null means zeroes. */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares or changes them
    private record Change(Request request, int begin, int end, byte @Nullable [] bytes, int from) {

        byte at(int at) {
            return bytes == null ? 0 : bytes[from + at - begin];
        }
    }

    private final byte[] contents;
    private final byte[] before;
    private final List<Change> changes = new ArrayList<>();

    DiskModel(byte[] contents) {
        this.contents = contents;
        this.before = contents.clone();
    }

    int sizeBytes() {
        return contents.length;
    }

    /** The request writes these bytes, all that were sent of them. */
    void write(Request request, int offset, byte[] bytes, int from, int lengthBytes) {
        System.arraycopy(bytes, from, contents, offset, lengthBytes);
        changes.add(new Change(request, offset, offset + lengthBytes, bytes, from));
    }

    /** The request zeroes this range. */
    void zero(Request request, int offset, int end) {
        Arrays.fill(contents, offset, end, (byte) 0);
        changes.add(new Change(request, offset, end, null, 0));
    }

    /** The good client has written this, and was answered. */
    void writeKept(int offset, byte[] bytes) {
        System.arraycopy(bytes, 0, contents, offset, bytes.length);
        System.arraycopy(bytes, 0, before, offset, bytes.length);
    }

    /** Returns a part of what the device must hold now. */
    byte[] part(int offset, int lengthBytes) {
        return Arrays.copyOfRange(contents, offset, offset + lengthBytes);
    }

    /** Holds the payload of a read against what was there when it was sent, and what may have come since. */
    void checkRead(Request read, FuzzExport export, byte[] got, int gotFrom) {
        byte[] expected = read.snapshot();
        int at = mismatch(expected, 0, got, gotFrom, expected.length);
        if (at < 0) {
            return;
        }
        BitSet possible = possible(read, export, got, gotFrom);
        while (at >= 0) {
            if (!possible.get(at)) {
                throw new FuzzFailure(read + ": byte " + (read.offsetBytes() + at) + " is " + got[gotFrom + at]
                        + ", not " + expected[at] + " or anything sent since");
            }
            int next = at + 1;
            at = mismatch(expected, next, got, gotFrom + next, expected.length - next);
            at = at < 0 ? at : next + at;
        }
    }

    /**
     * Which bytes of a read may be as they are, though they were not so when it was sent: a read that waits may see what
     * was sent after it; where nothing is ordered, anything of its conversation; and the good client's anything.
     */
    private BitSet possible(Request read, FuzzExport export, byte[] got, int gotFrom) {
        int begin = (int) read.offsetBytes();
        int end = begin + read.snapshot().length;
        int shift = gotFrom - begin;
        boolean isBeside = export.beside().getAsBoolean();
        BitSet possible = new BitSet(end - begin);
        for (Change change : changes) {
            boolean later = read.isDeferrable() && change.request.number() > read.number();
            if (!export.ordered() || later) {
                for (int at = Math.max(begin, change.begin); at < Math.min(end, change.end); at++) {
                    if (change.at(at) == got[shift + at]) {
                        possible.set(at - begin);
                    }
                }
            }
        }
        for (int at = begin; at < end; at++) {
            boolean older = !export.ordered() && before[at] == got[shift + at];
            if (older || (isBeside && at >= export.keptBegin() && at < export.keptEnd())) {
                possible.set(at - begin);
            }
        }
        return possible;
    }

    private static int mismatch(byte[] expected, int expectedFrom, byte[] got, int gotFrom, int lengthBytes) {
        return Arrays.mismatch(expected, expectedFrom, expectedFrom + lengthBytes, got, gotFrom, gotFrom + lengthBytes);
    }

    /**
     * The conversation is over and nobody changes anything: holds the device against the model, and takes over what may
     * be one way or another.
     */
    void settle(MemorySegment device, boolean ordered) {
        MemorySegment mine = MemorySegment.ofArray(contents);
        long at = MemorySegment.mismatch(device, 0, contents.length, mine, 0, contents.length);
        if (at >= 0) {
            byte[] found = device.asSlice(0, contents.length).toArray(ValueLayout.JAVA_BYTE);
            BitSet possible = possible(found, ordered);
            for (int i = (int) at; i < found.length; i++) {
                if (found[i] != contents[i] && !possible.get(i)) {
                    throw new FuzzFailure("byte " + i + " of the device is " + found[i] + ", not " + contents[i]
                            + ", and no request of the conversation put it there");
                }
            }
            System.arraycopy(found, 0, contents, 0, found.length);
        }
        for (Change change : changes) {
            System.arraycopy(contents, change.begin, before, change.begin, change.end - change.begin);
        }
        changes.clear();
    }

    /** Which bytes may be as they were found: what is answered is certain, and hides what came before it if in order. */
    private BitSet possible(byte[] found, boolean ordered) {
        BitSet possible = new BitSet(found.length);
        BitSet certain = new BitSet(found.length);
        for (Change change : changes.reversed()) {
            for (int at = change.begin; at < change.end; at++) {
                if (change.at(at) == found[at] && !(ordered && certain.get(at))) {
                    possible.set(at);
                }
            }
            if (change.request.isAnswered()) {
                certain.set(change.begin, change.end);
            }
        }
        for (int at = certain.nextClearBit(0); at < found.length; at = certain.nextClearBit(at + 1)) {
            if (before[at] == found[at]) {
                possible.set(at);
            }
        }
        return possible;
    }
}
