/** Power: what its sources say, what that means, and how much a battery lets be unsaved. It reports; {@code engine} decides. */
@NullMarked
package ramback.power;

import org.jspecify.annotations.NullMarked;
