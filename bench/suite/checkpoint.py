"""Part `checkpoint`: what cuts cost writers at RAM speed, against `unsafe` and against no cuts, on one daemon that
switches its mode."""

import contextlib
import os
from dataclasses import asdict

from .disk import MIB, write_noise
from .fio import over_nbd, write
from .report import Goal, Part, median, number, wrapped
from .servers import ramback, ramback_mode, ramback_status, ramback_stop, wait_until_clean
from .workshop import alive, stop, wait_until

DEVICE_BYTES = 512 * MIB
# What an epoch holds at most, twice a second: less than a disk takes that is fit for this.
WORKING_SET_BYTES = 64 * MIB
JOURNAL_BYTES = 1024 * MIB
INTERVAL = "1s"
# Without FLUSH nobody asks writeback to cut before the device's lag, 5 s: the same requests, and no cut in a run.
MODES = {"unsafe": "unsafe", "cuts": "checkpoint", "uncut": "writeback", "beside": "writeback"}
# What `beside` has somebody else write to the same disk meanwhile, as much as two cuts a second of the working set: what of
# the tail is not the daemon's, but the machine's.
BESIDE_BYTES_A_SECOND = 2 * WORKING_SET_BYTES
BESIDE_FILE_BYTES = 256 * MIB
SHAPES = tuple((depth, clients) for clients in (1, 4) for depth in (1, 32))
WARM_UP_SECONDS = 1
# Latencies need more requests than rates do, and less time than the lag.
LATENCY_SECONDS_MAX = 4
SPEED_GOAL = 0.8
LATENCY_GOAL = 2
WAIT_GOAL_MILLIS = 5


def run_once(shop, server, way, shape, seconds):
    """One run in one mode, from clean to clean; returns what was measured, how many epochs were committed meanwhile,
    and the daemon's counts of waits."""
    ramback_mode(shop, "checkpoint", MODES[way])
    wait_until_clean(shop, "checkpoint")
    before = ramback_status(shop, "checkpoint")
    depth, clients = shape
    with other_writer(shop) if way == "beside" else contextlib.nullcontext():
        writes = write(shop, over_nbd(server.uri), WORKING_SET_BYTES, depth=depth, clients=clients, seconds=seconds)
    after = ramback_status(shop, "checkpoint")
    epochs = after["lastCommit"]["epoch"] - before["lastCommit"]["epoch"]
    waits = {
        kind: [late - early for early, late in zip(before["waits"][kind], after["waits"][kind])]
        for kind in after.get("waits") or {}
    }
    wait_until_clean(shop, "checkpoint")
    return {**asdict(writes), "epochs": epochs, "waits": waits}


@contextlib.contextmanager
def other_writer(shop):
    """A process of its own that writes to the disk of image and journal, past the page cache, until it is left."""
    file = os.path.join(shop.disk_dir, "other.img")
    process = shop.start(
        *("fio", "--name=other", f"--filename={file}", f"--size={BESIDE_FILE_BYTES}", "--rw=write", "--bs=1m"),
        *("--direct=1", "--ioengine=psync", f"--rate={BESIDE_BYTES_A_SECOND}", "--time_based", "--runtime=60"),
    )
    # Laid out, and at its rate.
    wait_until("the other writer", 30, lambda: alive(process, "fio") and written_bytes_of(file) >= BESIDE_FILE_BYTES)
    try:
        yield
    finally:
        stop(process)


def written_bytes_of(file):
    return os.stat(file).st_blocks * 512 if os.path.exists(file) else 0


def measure_all(shop, options, say):
    image = os.path.join(shop.disk_dir, "checkpoint.img")
    write_noise(image, DEVICE_BYTES)
    server = ramback(
        shop,
        *(image, "--mode", "checkpoint", "--interval", INTERVAL, "--journal-size", JOURNAL_BYTES),
        # The working set is what bounds dirty data here; a limit below it would measure the throttle.
        *("--dirty-max", DEVICE_BYTES),
        name="checkpoint",
    )
    say("warming up")
    for shape in SHAPES:
        for way in MODES:
            run_once(shop, server, way, shape, WARM_UP_SECONDS)
    samples = {}
    for shape in SHAPES:
        samples[shape] = {way: [] for way in MODES}
        for turn in range(options.few_rounds):
            say(f"{label(shape)}, round {turn + 1} of {options.few_rounds}")
            for way in MODES:
                seconds = options.seconds if way == "unsafe" else latency_seconds(options)
                samples[shape][way].append(run_once(shop, server, way, shape, seconds))
    ramback_stop(server)
    return samples


def latency_seconds(options):
    return min(LATENCY_SECONDS_MAX, 2 * options.seconds)


def label(shape):
    depth, clients = shape
    return f"QD{depth}, {clients} connection{'s' if clients > 1 else ''}"


def ratio(samples, of, to, figure):
    """The median of the rounds' ratios."""
    return median([a[figure] / b[figure] for a, b in zip(samples[of], samples[to])])


def total_waits(samples):
    """All runs' counts with cuts, by kind; None when the daemon does not tell."""
    rounds = [sample["waits"] for rows in samples.values() for sample in rows["cuts"]]
    if not all(rounds):
        return None
    return {kind: [sum(counts) for counts in zip(*(waits[kind] for waits in rounds))] for kind in rounds[0]}


def longest_millis(counts):
    """The upper bound of the last bucket that has anything: bucket i counts waits of less than 2^i µs."""
    return max(((1 << i) / 1e3 for i, count in enumerate(counts) if count), default=0)


def bench(shop, options, say):
    samples = measure_all(shop, options, say)
    uncut_epochs = sum(sample["epochs"] for rows in samples.values() for sample in rows["uncut"])
    cut_epochs = median([sample["epochs"] for rows in samples.values() for sample in rows["cuts"]])
    part = Part(
        "Checkpoint at RAM speed",
        [
            *("4 KiB random writes", "`unsafe` /s", "`checkpoint` /s", "× `unsafe`", "goal"),
            *("p99.99 µs without cuts", "so, and somebody else writes", "with cuts", "×", "goal"),
        ],
        notes=wrapped(f"""
            fio's nbd engine over a Unix socket, anywhere on the machine's CPUs; a {DEVICE_BYTES // MIB} MiB device
            of which {WORKING_SET_BYTES // MIB} MiB are written, which the machine's own disk can carry; the
            journal, {JOURNAL_BYTES // MIB} MiB, lies beside the image. One daemon, `--interval {INTERVAL}`,
            switched live before each run, and clean when it begins: `unsafe` for {options.seconds} s, `checkpoint`
            and, for latencies without cuts, `writeback` without FLUSH for {latency_seconds(options)} s each, in
            turns; the latter once more while another process writes {BESIDE_BYTES_A_SECOND // MIB} MiB/s to the same
            disk: what such writes cost on this machine, whoever makes them. Medians of {options.few_rounds} rounds,
            ratios taken round by round. A run with cuts had
            {cut_epochs:.0f} of them (median), all runs without had {uncut_epochs} together."""),
        raw={label(shape): rows for shape, rows in samples.items()},
    )
    for shape, rows in samples.items():
        speed = Goal(ratio(rows, "cuts", "unsafe", "per_second"), at_least=SPEED_GOAL)
        latency = Goal(ratio(rows, "cuts", "uncut", "p9999_micros"), at_most=LATENCY_GOAL)
        rates = (number(median([sample["per_second"] for sample in rows[way]])) for way in ("unsafe", "cuts"))
        ways = ("uncut", "beside", "cuts")
        tails = (number(median([sample["p9999_micros"] for sample in rows[way]])) for way in ways)
        part.row(
            *(label(shape), *rates, f"**{speed.value:.2f}**", part.judge(speed)),
            *(*tails, f"**{latency.value:.2f}**", part.judge(latency)),
        )
    part.after = waits_text(part, total_waits(samples))
    return part


def waits_text(part, waits):
    """The daemon's own histogram, as a table below the other one."""
    if waits is None:
        return ["This daemon does not tell how long writers waited inside it."]
    length = max((i + 1 for counts in waits.values() for i, count in enumerate(counts) if count), default=1)
    lines = [
        "Writers' waits inside the daemon in all runs with cuts, by their length; what did not wait is not counted:",
        "",
        "| waits of less than, µs | " + " | ".join(f"{1 << i:,}" for i in range(length)) + " | goal |",
        "|---|" + "---:|" * (length + 1),
    ]
    for kind, name in (("lockMicros", "for a chunk's lock"), ("ringMicros", "for room in the ring")):
        goal = Goal(longest_millis(waits[kind]), at_most=WAIT_GOAL_MILLIS, unit="ms")
        counts = " | ".join(f"{count:,}" for count in waits[kind][:length])
        lines.append(f"| {name} | {counts} | {part.judge(goal)} |")
    return lines
