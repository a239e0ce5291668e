package ramback.engine;

/** When the device's memory is taken from the system. */
public enum RamMode {
    /** All of it before serving: a later write can't fail for want of memory. */
    RESERVE,
    /** As it is touched; TRIM gives it back; a write that finds no memory fails with "no space". */
    SPARSE
}
