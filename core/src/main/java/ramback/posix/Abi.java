package ramback.posix;

import java.util.Locale;

/**
 * The system's binary interface: the constants that differ between the processors we run on. Everything else that
 * {@link Posix} uses (structure offsets of statx and statfs, the other open flags, ioctl numbers) is the same on both.
 *
 * <p>Source: Linux {@code include/uapi/asm-generic/fcntl.h} and {@code arch/arm64/include/uapi/asm/fcntl.h}.
 */
public enum Abi {
    X86_64(0x4000, 0x10000, 0x20000),
    AARCH64(0x10000, 0x4000, 0x8000);

    private final int openDirect;
    private final int openDirectory;
    private final int openNoFollow;

    Abi(int openDirect, int openDirectory, int openNoFollow) {
        this.openDirect = openDirect;
        this.openDirectory = openDirectory;
        this.openNoFollow = openNoFollow;
    }

    /**
     * The interface of the machine this runs on.
     *
     * @throws UnsupportedOperationException elsewhere than on Linux x86-64 or aarch64; its message is for the operator
     */
    public static Abi current() {
        return of(System.getProperty("os.name", "?"), System.getProperty("os.arch", "?"));
    }

    /**
     * The interface that belongs to the JDK's names of a system and a processor ({@code os.name}, {@code os.arch}).
     *
     * @throws UnsupportedOperationException when it is none of ours
     */
    public static Abi of(String osName, String osArch) {
        if (osName.toLowerCase(Locale.ROOT).equals("linux")) {
            switch (osArch) {
                case "amd64", "x86_64" -> {
                    return X86_64;
                }
                case "aarch64" -> {
                    return AARCH64;
                }
                default -> {}
            }
        }
        throw new UnsupportedOperationException("ramback runs on Linux x86-64 and aarch64 only; this is " + osName + " "
                + osArch + ": use one of those machines");
    }

    int openDirect() {
        return openDirect;
    }

    int openDirectory() {
        return openDirectory;
    }

    int openNoFollow() {
        return openNoFollow;
    }
}
