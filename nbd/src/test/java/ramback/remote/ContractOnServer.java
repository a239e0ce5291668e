package ramback.remote;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.opentest4j.TestAbortedException;
import ramback.backing.Backing;
import ramback.backing.BackingContract;

/**
 * The contract of slow disks on an export of a server that somebody else has started, made anew by writing zeroes. Prints how many tests
 * passed, failed and did not apply; exit code 1 when one failed.
 *
 * <p>usage: ContractOnServer URI
 */
public final class ContractOnServer extends BackingContract {

    private final RemoteUri uri;
    private NbdBacking backing;

    private ContractOnServer(RemoteUri uri, NbdBacking backing) {
        super((int) backing.sizeBytes());
        this.uri = uri;
        this.backing = backing;
    }

    @Override
    protected Backing make() throws IOException {
        backing.zero(0, backing.sizeBytes());
        backing.sync();
        return backing;
    }

    @Override
    protected Backing reopen() throws IOException {
        backing.close();
        backing = NbdBacking.open(uri, false);
        return backing;
    }

    @Override
    protected long storedSizeBytes() {
        return sizeBytes();
    }

    @Override
    protected void remove() throws IOException {
        backing.close();
    }

    public static void main(String[] args) throws Exception {
        RemoteUri uri = RemoteUri.parse(args[0]);
        int passed = 0;
        int failed = 0;
        int skipped = 0;
        for (Method test : Arrays.stream(BackingContract.class.getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Test.class))
                .toList()) {
            ContractOnServer contract = new ContractOnServer(uri, NbdBacking.open(uri, false));
            try {
                call(contract, "makeDisk");
                call(contract, test.getName());
                passed++;
            } catch (TestAbortedException e) {
                skipped++;
            } catch (Exception | AssertionError e) {
                failed++;
                System.err.println(test.getName() + ": " + e);
            } finally {
                call(contract, "removeDisk");
            }
        }
        System.out.println(passed + " " + failed + " " + skipped);
        System.exit(failed > 0 || passed == 0 ? 1 : 0);
    }

    private static void call(ContractOnServer contract, String name) throws Exception {
        Method method = BackingContract.class.getDeclaredMethod(name);
        method.setAccessible(true);
        try {
            method.invoke(contract);
        } catch (InvocationTargetException e) {
            switch (e.getCause()) {
                case Exception cause -> throw cause;
                case Error cause -> throw cause;
                default -> throw e;
            }
        }
    }
}
