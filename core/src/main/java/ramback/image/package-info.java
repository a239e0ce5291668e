/**
 * The device in RAM: the chunk table, the states of chunks, reads and writes. It knows memory but no files: what a
 * request must wait for (a load, a commit, room) stands behind the interfaces {@link ramback.image.Loading},
 * {@link ramback.image.Promises} and {@link ramback.image.Admission}, so the hot path is read and measured without a
 * disk. Enter at {@link ramback.image.ChunkStore} for the protocol of a write, at {@link ramback.image.ImageDevice} for
 * the requests.
 */
@NullMarked
package ramback.image;

import org.jspecify.annotations.NullMarked;
