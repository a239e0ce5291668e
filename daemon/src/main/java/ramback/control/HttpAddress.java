package ramback.control;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * Where HTTP is served on TCP.
 *
 * @param address resolved; port 0 takes a free one
 * @param host as the operator wrote it, without brackets: a name by which the dashboard may be asked for
 */
public record HttpAddress(InetSocketAddress address, String host) {

    /** Whether only programs of this machine reach it. */
    public boolean isLoopback() {
        return address.getAddress().isLoopbackAddress();
    }

    /** The URI of the dashboard, on the port that was taken. */
    String uri(int port) {
        InetAddress at = address.getAddress();
        // Nobody can go to "any address"; whoever sits at this machine can go to the loopback.
        String name = at.isAnyLocalAddress() ? "localhost" : host;
        boolean isLiteral6 = at instanceof Inet6Address && name.indexOf(':') >= 0;
        return "http://" + (isLiteral6 ? "[" + name + "]" : name) + ":" + port + "/";
    }
}
