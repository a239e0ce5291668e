"""Part `scale`: what a device's size costs, from a gibibyte to a tebibyte, when little of it is used."""

import json
import os
import statistics
import subprocess
import time

from .charts import BarChart
from .report import Goal, Part, median, number
from .servers import connect, control, is_loaded, ramback, ramback_status, ramback_stop, wait_until_clean
from .workshop import Failure, cpu_seconds, resident_bytes, wait_until

GIB = 1 << 30
SIZES_GIB = (1, 16, 128, 1024)
CHUNK_BYTES = 4096
# Few places, because each takes a granule of 2 MiB of memory; in each some chunks, no two in one word of the planes.
PLACE_COUNT = 250
PER_PLACE_COUNT = 4
APART_BYTES = 512 << 10
GRANULE_BYTES = 2 << 20
DIRTY_COUNT = PLACE_COUNT * PER_PLACE_COUNT
MAP_CELLS = 4096
MAP_COUNT = 20
START_GOAL_SECONDS = 1.0
STATE_GOAL_PERCENT = 0.02
SEAL_GOAL_MILLIS = 2.0
IDLE_GOAL_PERCENT = 0.5
MAP_GOAL_MILLIS = 50.0
FLAT_GOAL = 2.0
SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<configuration version="2.0">
  <event name="ramback.Epoch"><setting name="enabled">true</setting></event>
  <event name="ramback.Commit"><setting name="enabled">true</setting></event>
</configuration>
"""


def places(size_bytes):
    """Where the chunks lie that are written, spread over the whole device."""
    step = size_bytes // PLACE_COUNT // GRANULE_BYTES * GRANULE_BYTES
    return [place * step + number * APART_BYTES for place in range(PLACE_COUNT) for number in range(PER_PLACE_COUNT)]


def started(shop, image, *options):
    return ramback(shop, image, "--ram", "sparse", "--journal-size", "256M", *options, name="scale", loaded=False)


def await_loaded(shop):
    wait_until("loading", 120, lambda: is_loaded(ramback_status(shop, "scale")))


def starts(shop, image, rounds):
    """Seconds until the ready line, and what it takes to stop, once the journal is there."""
    ready, stopped = [], []
    ramback_stop(started(shop, image))
    for _ in range(rounds):
        server = started(shop, image)
        ready.append(server.ready_seconds)
        await_loaded(shop)
        began = time.perf_counter()
        ramback_stop(server)
        stopped.append(time.perf_counter() - began)
    return ready, stopped


def states(shop, image):
    """What a device that nobody has written to takes: of tmpfs, and of the process's memory besides the segment."""
    server = started(shop, image)
    await_loaded(shop)
    directory = os.path.join(shop.ram_dir, "ramback")
    segment = sum(os.stat(os.path.join(directory, file)).st_blocks * 512 for file in os.listdir(directory))
    resident = resident_bytes(server.pid, apart_from=shop.ram_dir + "/")
    ramback_stop(server)
    return segment, resident


def idle_percent(shop, image, seconds):
    server = started(shop, image)
    await_loaded(shop)
    time.sleep(1)
    before = cpu_seconds(server.pid)
    time.sleep(seconds)
    percent = (cpu_seconds(server.pid) - before) / seconds * 100
    ramback_stop(server)
    return percent


def map_millis(shop):
    took = []
    for _ in range(MAP_COUNT):
        began = time.perf_counter()
        control(shop, "scale", "GET", f"/map?cells={MAP_CELLS}")
        took.append((time.perf_counter() - began) * 1000)
    return took


def sealer_seconds(pid):
    """The processor's time of the thread that seals: unlike how long that takes, not a matter of what else the machine does."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii", errors="replace") as comm:
            if comm.read().strip() != "sealer":
                continue
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as schedule:
            return int(schedule.read().split()[0]) / 1e9
    raise Failure(f"process {pid} has no thread named sealer")


def write_round(client, offsets, data):
    """As many requests at once as are taken, then a FLUSH: one epoch."""
    cookies = []
    for offset in offsets:
        cookies.append(client.aio_pwrite(data, offset))
        while client.aio_in_flight() >= 64:
            client.poll(-1)
    while client.aio_in_flight():
        client.poll(-1)
    for cookie in cookies:
        client.aio_command_completed(cookie)
    began = time.perf_counter()
    client.flush()
    return (time.perf_counter() - began) * 1000


def epochs(recording):
    """The epochs of a recording in which everything was changed that a round writes: milliseconds, in order."""
    jfr = os.path.join(os.environ.get("JAVA_HOME", "/usr"), "bin", "jfr")
    said = subprocess.run(
        [jfr, "print", "--json", "--events", "ramback.Epoch", recording], capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        raise Failure(f"{jfr} could not read {recording}: {said.stderr.strip()}; set JAVA_HOME to a JDK")
    events = [event["values"] for event in json.loads(said.stdout)["recording"]["events"]]
    events.sort(key=lambda values: values["epoch"])
    return [float(values["duration"][2:-1]) * 1000 for values in events if values["chunks"] == DIRTY_COUNT]


def work(shop, image, size_bytes, rounds):
    """Seals of 1,000 dirty chunks, the processor's time for each of those from its write until it is in the image, and maps."""
    import nbd

    settings = os.path.join(shop.disk_dir, "scale.jfc")
    with open(settings, "w", encoding="ascii") as file:
        file.write(SETTINGS)
    recording = os.path.join(shop.disk_dir, f"scale-{size_bytes}.jfr")
    before = os.environ.get("RAMBACK_JAVA_OPTS")
    recorded = f"-XX:StartFlightRecording=filename={recording},settings={settings}"
    os.environ["RAMBACK_JAVA_OPTS"] = f"{before} {recorded}" if before else recorded
    try:
        server = started(shop, image)
    finally:
        if before is None:
            del os.environ["RAMBACK_JAVA_OPTS"]
        else:
            os.environ["RAMBACK_JAVA_OPTS"] = before
    await_loaded(shop)
    client = connect(server)
    offsets = places(size_bytes)
    cpu, seals, flushes = [], [], []
    for turn in range(rounds + 1):
        data = nbd.Buffer.from_bytearray(bytearray([turn + 1]) * CHUNK_BYTES)
        began, sealing = cpu_seconds(server.pid), sealer_seconds(server.pid)
        flushes.append(write_round(client, offsets, data))
        seals.append((sealer_seconds(server.pid) - sealing) * 1000)
        wait_until_clean(shop, "scale")
        cpu.append((cpu_seconds(server.pid) - began) / DIRTY_COUNT * 1e6)
    maps = map_millis(shop)
    client.shutdown()
    ramback_stop(server)
    return {"sealMillis": epochs(recording), "sealCpuMillis": seals, "flushMillis": flushes, "cpuMicros": cpu, "mapMillis": maps}


def measured(shop, options, size_gib, say):
    image = os.path.join(shop.disk_dir, f"scale-{size_gib}.img")
    with open(image, "wb") as file:
        file.truncate(size_gib * GIB)
    say(f"{size_gib} GiB: starting")
    ready, stopped = starts(shop, image, options.rounds)
    segment, resident = states(shop, image)
    say(f"{size_gib} GiB: doing nothing")
    idle = idle_percent(shop, image, options.sample_seconds)
    say(f"{size_gib} GiB: writing")
    found = work(shop, image, size_gib * GIB, 4 * options.rounds)
    if not found["sealMillis"]:
        raise Failure(f"no epoch of {size_gib} GiB had {DIRTY_COUNT} chunks")
    os.unlink(image)
    return {
        "gib": size_gib,
        "loadAverage": os.getloadavg()[0],
        "startSeconds": ready,
        "stopSeconds": stopped,
        "stateBytes": segment,
        "residentBytes": resident,
        "idlePercent": idle,
        **found,
    }


def bench(shop, options, say):
    found = [measured(shop, options, size, say) for size in SIZES_GIB]
    part = Part(
        "Scale",
        ["", *(f"{size:,} GiB" for size in SIZES_GIB), "goal at 1 TiB"],
        notes=[
            f"`--ram sparse`, a sparse image, its journal already there; medians. {DIRTY_COUNT:,} dirty chunks of 4 KiB lie in "
            f"{PLACE_COUNT} places all over the device,",
            "each in a word of its own; the first of their epochs, in a process that has sealed nothing yet, is given by itself.",
        ],
        raw={"sizes": found},
    )
    last = found[-1]

    def line(label, figure, at_most=None):
        values = [figure(each) for each in found]
        goal = Goal(values[-1], at_most=at_most) if at_most is not None else None
        part.row(label, *(number(value) for value in values[:-1]), f"**{number(values[-1])}**", goal=goal)

    line("`up` until its ready line, s", lambda each: median(each["startSeconds"]), START_GOAL_SECONDS)
    line("clean stop, s", lambda each: median(each["stopSeconds"]))
    line("state, % of the size", lambda each: each["stateBytes"] / (each["gib"] * GIB) * 100, STATE_GOAL_PERCENT)
    line("process besides that, MiB", lambda each: each["residentBytes"] / (1 << 20))
    line("idle, % of a core", lambda each: each["idlePercent"], IDLE_GOAL_PERCENT)
    line("seal, ms", lambda each: median(each["sealMillis"][1:] or each["sealMillis"]), SEAL_GOAL_MILLIS)
    line("the first seal, ms", lambda each: each["sealMillis"][0])
    line("seal, CPU of its thread, ms", lambda each: median(each["sealCpuMillis"][1:]))
    line("the first seal, likewise, ms", lambda each: each["sealCpuMillis"][0])
    line("FLUSH of them, ms", lambda each: median(each["flushMillis"][1:]))
    line("CPU a dirty chunk, until it is in the image, µs", lambda each: statistics.fmean(each["cpuMicros"][1:]))
    line("chunk map, ms", lambda each: median(each["mapMillis"]), MAP_GOAL_MILLIS)
    chunk_micros = [statistics.fmean(each["cpuMicros"][1:]) for each in found]
    flat = chunk_micros[-1] / max(1e-9, chunk_micros[0])
    verdict = part.judge(Goal(flat, at_most=FLAT_GOAL))
    part.after = [f"CPU a dirty chunk at 1 TiB is {number(flat)} times that at 1 GiB: {verdict}."]
    part.charts = [
        BarChart(
            "scale-chunk",
            f"CPU a dirty chunk, of {DIRTY_COUNT:,}, until it is in the image, by the device's size: µs",
            [f"{each['gib']:,} GiB" for each in found],
            {"ramback": chunk_micros},
        )
    ]
    return part
