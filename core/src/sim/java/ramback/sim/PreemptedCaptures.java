package ramback.sim;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import ramback.image.Captures;

/** Captures, in the midst of which the sealer may lose the processor: where it copies, it holds no lock. */
final class PreemptedCaptures implements Captures {

    private final Captures captures;
    private final Scheduler scheduler;

    PreemptedCaptures(Captures captures, Scheduler scheduler) {
        this.captures = captures;
        this.scheduler = scheduler;
    }

    private void mayBePreempted() {
        if (scheduler.wantsToPreempt()) {
            scheduler.preempt();
        }
    }

    @Override
    public boolean keepsVersions() {
        return captures.keepsVersions();
    }

    @Override
    public boolean capture(
            long firstChunk, long chunkCount, @Nullable MemorySegment from, long fromOffsetBytes, boolean bySealer) {
        return captures.capture(firstChunk, chunkCount, from, fromOffsetBytes, bySealer);
    }

    @Override
    public long claim() {
        return captures.claim();
    }

    @Override
    public void fill(long claim, MemorySegment from, long fromOffsetBytes) {
        mayBePreempted();
        captures.fill(claim, from, fromOffsetBytes);
        mayBePreempted();
    }

    @Override
    public void publish(long claim, long chunk) {
        captures.publish(claim, chunk);
    }

    @Override
    public void abandon(long claim) {
        captures.abandon(claim);
    }

    @Override
    public void awaitRoom() {
        captures.awaitRoom();
    }
}
