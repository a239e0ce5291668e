package ramback.engine;

import java.io.BufferedWriter;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.trace.Trace;

/** Where the trace goes: as text to standard error while it is on, as far as that keeps up, and into files on demand. */
final class TraceOutput {

    private static final long PERIOD_NANOS = 50_000_000L;

    private final Trace trace;
    private final Clock clock;
    private final Signal signal;
    private final AtomicLong printed = new AtomicLong();
    private final AgentThread printer;

    TraceOutput(Trace trace, Clock clock) {
        this.trace = trace;
        this.clock = clock;
        this.signal = new Signal(clock);
        this.printer = AgentThread.start(new Printer(), clock, signal);
    }

    /** Switches the trace. */
    void set(boolean on) {
        if (on && !trace.isOn()) {
            printed.set(trace.eventCount());
        }
        trace.setOn(on);
        signal.raise();
    }

    /** Writes the newest events as text, oldest first, to a new file; returns how many lines. */
    long dump(Path file) throws Refusal {
        AtomicLong lines = new AtomicLong();
        try {
            try (var writer = new BufferedWriter(Channels.newWriter(
                    Files.newByteChannel(
                            file,
                            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))),
                    StandardCharsets.UTF_8))) {
                long first = Math.max(0, trace.eventCount() - Trace.EVENT_COUNT_MAX);
                trace.copyTo(
                        text -> {
                            writer.write(text);
                            writer.newLine();
                            lines.incrementAndGet();
                        },
                        first);
            }
        } catch (FileAlreadyExistsException e) {
            throw new Refusal(Refusal.Kind.FAILED, "trace file " + file + " exists; name a new file", e);
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "trace file " + file + " can't be written: " + e.getMessage(), e);
        }
        return lines.get();
    }

    /** Switches the trace off for good. */
    void stop() {
        trace.setOn(false);
        printer.stop();
    }

    private final class Printer implements Agent {

        private final PrintStream out =
                new PrintStream(new FileOutputStream(FileDescriptor.err), false, StandardCharsets.UTF_8);

        @Override
        public String name() {
            return "trace";
        }

        @Override
        public long step() {
            boolean on = trace.isOn();
            if (trace.eventCount() > printed.get()) {
                try {
                    printed.set(trace.copyTo(out::println, printed.get()));
                    out.flush();
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
            return on ? clock.nanoTime() + PERIOD_NANOS : Clock.NEVER;
        }
    }
}
