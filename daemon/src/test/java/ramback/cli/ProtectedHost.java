package ramback.cli;

import java.util.List;
import ramback.host.DeviceMemory;
import ramback.host.Host;
import ramback.host.Protection;

/** A machine on which nothing is threatened, and of which nothing is asked that would hold for all tests after this one. */
final class ProtectedHost implements Host {

    @Override
    public Protection protect() {
        return new Protection(true, 0, List.of());
    }

    @Override
    public List<String> threats(DeviceMemory memory) {
        return List.of();
    }
}
