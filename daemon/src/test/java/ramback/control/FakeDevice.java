package ramback.control;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import ramback.attach.Via;
import ramback.device.Mode;
import ramback.engine.DeviceMap;
import ramback.engine.Refusal;
import ramback.engine.SampleMap;
import ramback.engine.VerifyReport;
import ramback.power.PowerEvent;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;
import ramback.traffic.SampleLatencies;

/** A device that notes what it is asked to change, and shows what it is told to. */
final class FakeDevice implements DeviceControl {

    final List<String> asked = new CopyOnWriteArrayList<>();
    final AtomicInteger mapCount = new AtomicInteger();
    volatile StatusReport status = SampleStatus.loading();
    volatile Refusal refusal;
    volatile int dirtyChunk = 3;

    @Override
    public StatusReport status() throws Refusal {
        if (refusal != null) {
            throw refusal;
        }
        return status;
    }

    @Override
    public DeviceMap map(int cellCountMax) {
        mapCount.incrementAndGet();
        return SampleMap.of(cellCountMax, dirtyChunk);
    }

    @Override
    public void switchMode(Mode mode) {
        asked.add("mode " + mode.word());
    }

    @Override
    public void switchModeToAuto() {
        asked.add("mode auto");
    }

    @Override
    public void flush() {
        asked.add("flush");
    }

    @Override
    public RequestLatencies latencies() {
        return new SampleLatencies().with(RequestKind.READ, 4_000, 900).counts();
    }

    @Override
    public void tellPower(PowerEvent event) {
        asked.add("power " + event.word());
    }

    @Override
    public void trace(boolean on) {
        asked.add("trace");
    }

    @Override
    public long dumpTrace(Path file) {
        asked.add("dump");
        return 1;
    }

    @Override
    public long snapshot(Path file) throws Refusal {
        if (file.endsWith("taken.img")) {
            throw new Refusal(Refusal.Kind.FAILED, file + " exists already");
        }
        asked.add("snapshot " + file);
        return 4096;
    }

    @Override
    public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond) {
        asked.add("verify");
        return new VerifyReport(1, 0, 0, 0, null, 0, 0, List.of(), 0);
    }

    @Override
    public Path attach(Via via, int connectionCount, String mountNamespace) throws Refusal {
        asked.add("attach " + via.word() + " " + mountNamespace);
        if (via == Via.UBLK) {
            throw new Refusal(Refusal.Kind.FAILED, "no ublk: not here");
        }
        return Path.of("/dev/nbd3");
    }

    @Override
    public boolean detach() {
        asked.add("detach");
        return true;
    }

    @Override
    public void end(Ending ending) {
        asked.add(ending.toString());
    }

    @Override
    public String awaitStop() {
        return null;
    }
}
