package ramback.cli;

import java.lang.reflect.Proxy;

/**
 * SIGINT, SIGTERM and SIGHUP (the terminal went away; nohup(1) keeps it from us). A shutdown hook would see only the
 * first signal and could not put off the end of the process; the second one must be answered while we go on flushing,
 * and {@code sun.misc.Signal} (module jdk.unsupported) is the JDK's only way to hear it. It is
 * reached by reflection, because javac warns of every mention of its name, our build fails on warnings, and this one
 * can't be switched off.
 */
final class Signals {

    private Signals() {}

    /** Runs this on each of them from now on, instead of ending the process; each on a thread of its own. */
    static void onStop(Runnable action) {
        on(action, "INT", "TERM", "HUP");
    }

    /** Runs this on SIGHUP from now on, which then asks for no end. */
    static void onHangUp(Runnable action) {
        on(action, "HUP");
    }

    private static void on(Runnable action, String... names) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object handle =
                    Proxy.newProxyInstance(Signals.class.getClassLoader(), new Class<?>[] {handler}, (_, method, _) -> {
                        if (method.getName().equals("handle")) {
                            action.run();
                        }
                        return null;
                    });
            for (String name : names) {
                Object number = signal.getConstructor(String.class).newInstance(name);
                signal.getMethod("handle", signal, handler).invoke(null, number, handle);
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(
                    "this JDK has no sun.misc.Signal; use one with the module jdk.unsupported", e);
        }
    }
}
