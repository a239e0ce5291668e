package ramback.model;

import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/**
 * What the processes share: memory, planes, image, epochs, counters. Two chunks of two halves; a plane is a mask of
 * chunks. Every method is one step that others see at once.
 */
final class World {

    static final int CHUNK_COUNT = 2;
    static final int HALF_COUNT = 4;
    static final int ALL_CHUNKS = 3;
    static final int CLIENT_COUNT_MAX = 3;

    /** Holds the L bits that a killed process has left. */
    private static final int DEAD = 7;

    // What a half may hold: zeroes, what was there before all writes, or what write id wrote: INITIAL + id.
    static final int ZEROES = 0;
    static final int INITIAL = 1;
    private static final int VALUE_BITS = 3;
    private static final int VALUE_COUNT = INITIAL + Ledger.ID_COUNT;

    final Scenario scenario;
    final Mutant mutant;
    final Ledger ledger;

    // ---- the segment
    /** Who holds the L bit of each chunk; 0: nobody. */
    final int[] holder = new int[CHUNK_COUNT];
    /** Planes D0 and D1. */
    final int[] dirty = new int[2];
    /** Plane H. */
    int stale;
    /** Plane V. */
    int loaded;
    /** Plane Z. */
    int zero;
    /** What each half's memory holds. */
    final int[] memory = new int[HALF_COUNT];
    /** The granule's bit: memory for both chunks is said to be there. */
    boolean granuleTaken;
    /** Whether it is there. */
    boolean granuleThere;
    /** The lock of those who take memory and give it back. */
    boolean granuleBusy;
    /** The granule may have become all zeroes. */
    boolean candidate;
    /** Redo slots, one a client: the clients whose slot is valid, and what it says, the write and the chunks of the run. */
    int slotsValid;

    final int[] slotWrite = new int[CLIENT_COUNT_MAX];
    final int[] slotRun = new int[CLIENT_COUNT_MAX];

    // ---- the image, behind a volatile cache
    /** What reading the image gives. */
    final int[] page = new int[HALF_COUNT];
    /** Halves written since the last sync. */
    int unsynced;
    /** For each half, the values one of which is there after a loss of power. */
    final int[] survives = new int[HALF_COUNT];
    /** Failures to come. */
    int failuresLeft;

    // ---- epochs, from 1 on, so that 0 is none
    int open = 1;
    /** The epochs, by parity, that have a dirty chunk. */
    int firstDirty;
    /** The clients that are inside. */
    int inside;

    // ---- write-behind
    int committed;
    int demanded;
    int applying;
    boolean retry;
    /** {@code DirtyCount}: all dirty chunks, and those that hold data or are reserved. */
    int dirtyAll;

    int dirtyData;

    // ---- the device
    Mode mode = Mode.UNSAFE;
    /** Clients whose reply thread has been signalled and has not looked yet. */
    int signals;

    // ---- the observer's: no part of the protocol
    /** For each chunk, the epoch in which it was last marked dirty. */
    final int[] markEpoch = new int[CHUNK_COUNT];
    /** Chunks whose bytes somebody is changing, and those that somebody is copying for the image. */
    int changing;

    int copying;

    /** The clients, for the observer to tell them what they may read. */
    List<Client> clients = List.of();

    /** What the last action did that must not be; not part of the state. */
    @Nullable
    String misdeed;

    World(Scenario scenario, Mutant mutant) {
        this.scenario = scenario;
        this.mutant = mutant;
        this.ledger = new Ledger(scenario);
        mode = scenario.mode();
        loaded = scenario.loaded();
        zero = scenario.loaded() & scenario.holes();
        failuresLeft = scenario.failureCount();
        granuleThere = !scenario.isSparse() || (loaded & ~zero) != 0;
        granuleTaken = granuleThere;
        for (int half = 0; half < HALF_COUNT; half++) {
            int chunk = half / 2;
            page[half] = has(scenario.holes(), chunk) ? ZEROES : INITIAL;
            survives[half] = 1 << page[half];
            memory[half] = has(loaded, chunk) ? page[half] : ZEROES;
        }
    }

    void layout(Bits bits) {
        ledger.layout(bits);
        bits.fields(holder, 3);
        bits.fields(dirty, CHUNK_COUNT);
        stale = bits.field(stale, CHUNK_COUNT);
        loaded = bits.field(loaded, CHUNK_COUNT);
        zero = bits.field(zero, CHUNK_COUNT);
        bits.fields(memory, VALUE_BITS);
        granuleTaken = bits.flag(granuleTaken);
        granuleThere = bits.flag(granuleThere);
        granuleBusy = bits.flag(granuleBusy);
        candidate = bits.flag(candidate);
        slotsValid = bits.field(slotsValid, CLIENT_COUNT_MAX);
        bits.fields(slotWrite, 3);
        bits.fields(slotRun, CHUNK_COUNT);
        bits.fields(page, VALUE_BITS);
        unsynced = bits.field(unsynced, HALF_COUNT);
        bits.fields(survives, VALUE_COUNT);
        failuresLeft = bits.field(failuresLeft, 2);
        open = bits.field(open, 4);
        firstDirty = bits.field(firstDirty, 2);
        inside = bits.field(inside, CLIENT_COUNT_MAX);
        committed = bits.field(committed, 4);
        demanded = bits.field(demanded, 4);
        applying = bits.field(applying, 4);
        retry = bits.flag(retry);
        dirtyAll = bits.signed(dirtyAll, 4);
        dirtyData = bits.signed(dirtyData, 5);
        mode = bits.constant(mode, MODES);
        signals = bits.field(signals, CLIENT_COUNT_MAX);
        bits.fields(markEpoch, 4);
        changing = bits.field(changing, CHUNK_COUNT);
        copying = bits.field(copying, CHUNK_COUNT);
    }

    private static final Mode[] MODES = Mode.values();

    static String nameOf(int value) {
        return value == ZEROES ? "zeroes" : value == INITIAL ? "the initial content" : "write " + (value - INITIAL);
    }

    static boolean has(int chunks, int chunk) {
        return (chunks >>> chunk & 1) != 0;
    }

    /** The misdeeds of the last action are what the explorer reports first. */
    void accuse(String what) {
        if (misdeed == null) {
            misdeed = what;
        }
    }

    // ------------------------------------------------------------------------------------------------------ locks

    /** The chunks of a mask that nobody holds. */
    int free(int chunks) {
        int free = 0;
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            free |= has(chunks, chunk) && holder[chunk] == 0 ? 1 << chunk : 0;
        }
        return free;
    }

    /** {@code ChunkTable.tryLock}: all or none. */
    boolean tryLock(int chunks, int who) {
        return free(chunks) == chunks && tryLockSome(chunks, who) == chunks;
    }

    /** {@code ChunkTable.tryLockSome}: those that are free. */
    int tryLockSome(int chunks, int who) {
        int held = free(chunks);
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            holder[chunk] = has(held, chunk) ? who : holder[chunk];
        }
        return held;
    }

    void unlock(int chunks) {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            holder[chunk] = has(chunks, chunk) ? 0 : holder[chunk];
        }
    }

    /** The chunks somebody holds. */
    int held() {
        return ALL_CHUNKS & ~free(ALL_CHUNKS);
    }

    // ------------------------------------------------------------------------------------------------------ bytes

    /** What an application reads in a loaded half, if it asks now. */
    int content(int half) {
        return has(zero, half / 2) ? ZEROES : memory[half];
    }

    /** What an application reads in a half, if it waits for it to be loaded. */
    int visible(int half) {
        return has(loaded, half / 2) ? content(half) : page[half];
    }

    /** Reads a half's memory. */
    int touch(int half) {
        if (!granuleThere) {
            accuse("MEMORY: memory is touched that is not there");
        }
        return memory[half];
    }

    /** Changes a half's memory. */
    void change(int half, int value) {
        touch(half);
        if (has(copying, half / 2)) {
            accuse("COPY: bytes change while they are copied for the image");
        }
        memory[half] = value;
    }

    /** Gives the granule's memory back to the kernel. */
    void punch() {
        granuleThere = false;
        java.util.Arrays.fill(memory, ZEROES);
    }

    // ----------------------------------------------------------------------------------------------- bookkeeping

    /** Chunks that are dirty in the eyes of {@code DirtyCount}. */
    int dirtyChunks() {
        return dirty[0] | dirty[1] | stale;
    }

    /** A write has been issued. */
    void noteIssued(int id) {
        ledger.issue(id);
        for (Client client : clients) {
            client.noteIssued(id);
        }
    }

    /** {@code Epochs.noteDirty}. */
    void noteDirty(int epoch) {
        firstDirty |= 1 << (epoch & 1);
    }

    /** A chunk has been captured as of an epoch: its mark must have been that epoch's, and no writer's of it is left. */
    void noteCaptured(int chunk, int epoch) {
        if (markEpoch[chunk] != epoch || epoch >= open) {
            accuse("CAPTURE: epoch " + epoch + " takes what was changed in epoch " + markEpoch[chunk] + ", open is "
                    + open);
        }
    }

    /**
     * {@code ImageDevice.wakeSessions}. A reply thread that finds nothing queued has been woken for nothing, and the
     * signal is gone: that it may come a little later and find something is no worse.
     */
    void wakeSessions() {
        for (int client = 0; client < clients.size(); client++) {
            signals |= clients.get(client).isQueued() ? 1 << client : 0;
        }
    }

    // ------------------------------------------------------------------------------------------------------ slots

    void makeSlotValid(int client, int write, int run) {
        slotWrite[client] = write;
        slotRun[client] = run;
        slotsValid |= 1 << client;
    }

    void freeSlot(int client) {
        slotsValid &= ~(1 << client);
        if (mutant != Mutant.SLOT_VALID_BEFORE_ITS_FIELDS) {
            // Nobody looks at them until they are written again.
            slotWrite[client] = 0;
            slotRun[client] = 0;
        }
    }

    // ------------------------------------------------------------------------------------------------------- kill

    /** The process is killed. The segment stays, and what the kernel has of the image; all else is gone. */
    void loseProcess() {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            holder[chunk] = holder[chunk] == 0 ? 0 : DEAD;
            markEpoch[chunk] = 0;
        }
        granuleBusy = false;
        candidate = false;
        open = 0;
        firstDirty = 0;
        inside = 0;
        committed = 0;
        demanded = 0;
        applying = 0;
        retry = false;
        dirtyAll = 0;
        dirtyData = 0;
        signals = 0;
        changing = 0;
        copying = 0;
    }

    /** The counts, as the planes have it. */
    void countDirty() {
        dirtyAll = Integer.bitCount(dirtyChunks());
        dirtyData = Integer.bitCount(dirtyChunks() & ~zero);
    }

    /**
     * The next process serves. Its first epoch is the one after the last committed, and holds all that is dirty. It is
     * called 1 here, and its parity odd, whichever it is: nothing from here on tells the two parities apart.
     */
    void openFirst(int parity) {
        int first = dirty[parity];
        dirty[0] = dirty[parity ^ 1];
        dirty[1] = first;
        open = 1;
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            markEpoch[chunk] = has(first, chunk) ? open : 0;
        }
        if (first != 0) {
            firstDirty = mutant == Mutant.ATTACH_FORGETS_FIRST_CHANGE ? 0 : 1 << (open & 1);
            demanded = open;
        }
        // The observer's: what is there now stays, since nothing is under way.
        for (int half = 0; half < HALF_COUNT; half++) {
            ledger.settle(half, visible(half));
        }
    }

    // ------------------------------------------------------------------------------------------------------ image

    /** Writes a half to the image, or to its cache. */
    void writeImage(int half, int value) {
        if (!has(loaded, half / 2)) {
            accuse("LOAD: a chunk is written to the image that was never loaded");
        }
        page[half] = value;
        survives[half] |= 1 << value;
        unsynced |= 1 << half;
    }

    /** Makes durable what was written to the image. */
    void syncImage() {
        for (int half = 0; half < HALF_COUNT; half++) {
            survives[half] = has(unsynced, half) ? 1 << page[half] : survives[half];
        }
        unsynced = 0;
    }

    /** A sync that fails: what was written may be lost and is taken as clean by the next sync, as Linux does. */
    void failSync() {
        unsynced = 0;
    }
}
