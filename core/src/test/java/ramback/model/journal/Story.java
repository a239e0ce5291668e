package ramback.model.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * What happens to a device with a journal, one thing after the other, until the power fails: epochs, rounds, new processes,
 * and a time in {@code unsafe}. Small enough for every instant of it to be tried, long enough for the ring to go round.
 */
final class Story {

    static final int CHUNK_COUNT = 4;
    private static final int BATCH_CHUNKS = 2;

    private final Power power;
    final Disk journal;
    final Disk image;
    private final JournalFile file;

    private final int[] ram = new int[CHUNK_COUNT];
    private final int[] capturedIn = new int[CHUNK_COUNT];
    /** Chunks whose newest version the image lacks. */
    private final TreeSet<Integer> stale = new TreeSet<>();

    private int epoch;
    private int writes;

    Story(Power power) {
        this.power = power;
        journal = new Disk(JournalFile.BLOCK_COUNT, null);
        image = new Disk(CHUNK_COUNT, 0);
        file = new JournalFile(power, journal);
        power.contents.add(ram.clone());
    }

    void run() {
        epoch(0, 1);
        epoch(1, 2);
        round(1);
        epoch(0);
        epoch(3, 1, 0);
        round(3);
        epoch(2);
        attach();
        epochOfAll();
        round(epoch);
        epoch(1, 3);
        abandon(0, 2);
        attach();
        epochOfAll(0, 2);
        attach();
        epochOfAll();
        round(epoch);
        epoch(0);
        unsafe();
        epochOfAll(1);
        epoch(2);
        round(epoch - 1);
        round(epoch);
        epoch(3);
        attach();
        epochOfAll(1);
        epoch(0);
        round(epoch);
        epoch(2, 3);
        goBack();
        epoch(1, 2);
        epoch(0);
    }

    private void change(int chunk) {
        ram[chunk] = 10 * ++writes + chunk;
        stale.add(chunk);
    }

    private void epoch(int... chunks) {
        Arrays.stream(chunks).forEach(this::change);
        capture(Arrays.stream(chunks).boxed().toList());
        file.commit();
    }

    /** The first epoch of a process, or after {@code unsafe}: all that the image may lack, and these changes. */
    private void epochOfAll(int... chunks) {
        Arrays.stream(chunks).forEach(this::change);
        capture(List.copyOf(stale));
        file.commit();
    }

    private void capture(List<Integer> chunks) {
        epoch++;
        while (power.contents.size() <= epoch) {
            power.contents.add(ram);
        }
        power.contents.set(epoch, ram.clone());
        for (int from = 0; from < chunks.size(); from += BATCH_CHUNKS) {
            if (from > 0) {
                file.barrier();
            }
            List<Integer> batch = chunks.subList(from, Math.min(from + BATCH_CHUNKS, chunks.size()));
            file.append(batch, batch.stream().map(chunk -> ram[chunk]).toList());
        }
        chunks.forEach(chunk -> capturedIn[chunk] = epoch);
    }

    /** Carries to the image what was captured up to an epoch; what was captured again since is left out. */
    private void round(int boundary) {
        List<Integer> written =
                stale.stream().filter(chunk -> capturedIn[chunk] <= boundary).toList();
        do {
            for (int chunk : written) {
                power.tick();
                image.write(chunk, ram[chunk]);
            }
        } while (!syncImage());
        stale.removeAll(written);
        file.truncate(boundary);
    }

    private boolean syncImage() {
        if (power.mutant == DiskMutant.NO_IMAGE_FSYNC) {
            return true;
        }
        boolean isGood = power.sync(image);
        return isGood || power.mutant == DiskMutant.RETRY_FSYNC;
    }

    /** A process ends with an epoch half appended. */
    private void abandon(int... chunks) {
        List<Integer> batch = new ArrayList<>();
        Arrays.stream(chunks).forEach(batch::add);
        Arrays.stream(chunks).forEach(this::change);
        file.append(batch, batch.stream().map(chunk -> ram[chunk]).toList());
        file.barrier();
    }

    /** Somebody wants the epoch before the newest one back; then the device goes on from there. */
    private void goBack() {
        power.committed = --epoch;
        System.arraycopy(power.contents.get(epoch), 0, ram, 0, CHUNK_COUNT);
        do {
            for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
                inPlace(chunk);
            }
        } while (!syncImage());
        stale.clear();
        file.goBack();
        power.begun = epoch;
    }

    private void attach() {
        file.attach();
    }

    private void unsafe() {
        file.suspend();
        change(1);
        change(2);
        inPlace(1);
        inPlace(2);
        while (!power.sync(image)) {
            inPlace(1);
            inPlace(2);
        }
        stale.removeAll(List.of(1, 2));
        change(3);
        inPlace(3);
    }

    private void inPlace(int chunk) {
        power.tick();
        image.write(chunk, ram[chunk]);
    }
}
