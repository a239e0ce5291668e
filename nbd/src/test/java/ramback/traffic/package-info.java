/** Tests of what is counted and timed, without any server; those that serve are tested on it in their own packages. */
@NullMarked
package ramback.traffic;

import org.jspecify.annotations.NullMarked;
