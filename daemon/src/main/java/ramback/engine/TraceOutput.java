package ramback.engine;

import java.io.BufferedWriter;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.host.JournalStream;
import ramback.trace.Trace;

/**
 * Where the trace goes: as text to standard error while it is on, as far as that keeps up, to the JDK's flight recorder, and into files
 * on demand. Safe for use by many threads.
 */
final class TraceOutput {

    private static final long PERIOD_NANOS = 50_000_000L;
    /** So long the end waits for the printer, whose standard error may be a pipe that nobody reads. */
    private static final long PRINTER_END_NANOS = 1_000_000_000L;

    private static final FileAttribute<Set<PosixFilePermission>> OWNERS_ALONE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /** Makes a file that does not exist yet. */
    interface NewFile {
        OutputStream create(Path file) throws IOException;
    }

    private final Trace trace;
    private final Clock clock;
    private final NewFile files;
    private final Signal signal;
    private final AtomicLong printed = new AtomicLong();
    private final AgentThread printer;
    private final String device;
    private @Nullable FlightRecording recording; // guarded by this

    TraceOutput(String device, Trace trace, Clock clock) {
        this(device, trace, clock, TraceOutput::create);
    }

    /** With files of its own, for tests. */
    TraceOutput(String device, Trace trace, Clock clock, NewFile files) {
        this.device = device;
        this.trace = trace;
        this.clock = clock;
        this.files = files;
        this.signal = new Signal(clock);
        this.printer = AgentThread.start(new Printer(), clock, signal);
        trace.setRecorded(OperatorRecording.isRunning());
    }

    private static OutputStream create(Path file) throws IOException {
        return Channels.newOutputStream(Files.newByteChannel(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OWNERS_ALONE));
    }

    /** Switches the trace. */
    synchronized void set(boolean on) {
        if (on && !trace.isOn()) {
            printed.set(trace.eventCount());
        }
        FlightRecording flight = recording;
        if (on && !trace.isOn()) {
            if (flight != null) {
                flight.close();
            }
            recording = FlightRecording.start(device);
        } else if (!on && flight != null) {
            flight.rest();
        }
        trace.setRecorded(on || OperatorRecording.isRunning());
        trace.setOn(on);
        signal.raise();
    }

    /**
     * Writes the newest events to a new file: as text, oldest first, or as a recording if its name ends with {@code .jfr}; returns how many
     * lines, or bytes. Nobody else waits for that file's disk, not even the end.
     */
    long dump(Path file) throws Refusal {
        return String.valueOf(file.getFileName()).endsWith(FlightRecording.SUFFIX)
                ? dumpRecording(file)
                : dumpText(file);
    }

    private long dumpRecording(Path file) throws Refusal {
        FlightRecording flight;
        synchronized (this) {
            flight = recording;
        }
        if (flight == null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "there is no flight recording of " + device + ": it begins with 'ramback trace " + device
                            + " on'; what a JVM's own recording has, jcmd writes");
        }
        boolean isOurs = false;
        try (OutputStream out = files.create(file)) {
            isOurs = true;
            return flight.dump(out);
        } catch (IOException | IllegalStateException e) { // the latter of a recording that has just been closed
            if (isOurs) {
                removeAfter(file, e);
            }
            throw notWritten(file, e);
        }
    }

    private long dumpText(Path file) throws Refusal {
        AtomicLong lines = new AtomicLong();
        try (var writer = new BufferedWriter(new OutputStreamWriter(files.create(file), StandardCharsets.UTF_8))) {
            long first = Math.max(0, trace.eventCount() - Trace.EVENT_COUNT_MAX);
            trace.copyTo(
                    text -> {
                        writer.write(text);
                        writer.newLine();
                        lines.incrementAndGet();
                    },
                    first);
        } catch (IOException e) {
            throw notWritten(file, e);
        }
        return lines.get();
    }

    private static void removeAfter(Path file, Exception why) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            why.addSuppressed(e);
        }
    }

    private static Refusal notWritten(Path file, Exception e) {
        return new Refusal(
                Refusal.Kind.FAILED,
                e instanceof FileAlreadyExistsException
                        ? "trace file " + file + " exists; name a new file"
                        : "trace file " + file + " can't be written: " + e.getMessage(),
                e);
    }

    /** Switches the trace off for good. */
    synchronized void stop() {
        trace.setOn(false);
        trace.setRecorded(false);
        FlightRecording flight = recording;
        if (flight != null) {
            flight.close();
            recording = null;
        }
        // What it still has to say to whoever does not listen is lost with the process.
        boolean _ = printer.stop(PRINTER_END_NANOS);
    }

    private final class Printer implements Agent {

        private final PrintStream out =
                new PrintStream(new FileOutputStream(FileDescriptor.err), false, StandardCharsets.UTF_8);
        private final String prefix =
                JournalStream.isStandardError() ? JournalStream.prefix(System.Logger.Level.DEBUG) : "";

        @Override
        public String name() {
            return "trace";
        }

        @Override
        public long step() {
            boolean on = trace.isOn();
            if (trace.eventCount() > printed.get()) {
                try {
                    printed.set(trace.copyTo(text -> out.println(prefix + text), printed.get()));
                    out.flush();
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
            return on ? clock.nanoTime() + PERIOD_NANOS : Clock.NEVER;
        }
    }
}
