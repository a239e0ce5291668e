/**
 * System calls: the only foreign downcalls of the product. Enter at {@link ramback.posix.Posix}: one static method a
 * call, each checked, retried after EINTR, and failing as {@link ramback.posix.PosixException} with its errno. Linux on
 * x86-64 and aarch64 only; {@link ramback.posix.Abi} holds what differs. Needs {@code --enable-native-access=ramback.core}.
 * {@link ramback.posix.MountTable} is what the kernel says is mounted. Depends on nothing but the JDK.
 */
@NullMarked
package ramback.posix;

import org.jspecify.annotations.NullMarked;
