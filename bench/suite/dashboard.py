"""Part `dashboard`: what somebody who looks at the dashboard costs whoever uses the device, and how soon he sees something."""

import contextlib
import http.client
import os
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass

from .disk import MIB, write_noise
from .fio import Workload, measure
from .report import Goal, Part, median, number
from .servers import ramback, ramback_status, ramback_stop
from .workshop import Failure, cpu_seconds, wait_until

# The browser is the one in which ./verify looks at the page.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "verify.d"))

from browser import Browser  # noqa: E402

SIZE_BYTES = 256 * MIB
LOST_GOAL_PERCENT = 1.0
CORE_GOAL_PERCENT = 1.0
FIRST_GOAL_SECONDS = 1.0
FIRST_COUNT = 20
BROWSER_COUNT = 10
SCRAPE_GOAL_MILLIS = 20.0
SCRAPE_COUNT = 50
SCRAPES_BEFORE = 10
# Many short turns: what is looked for is smaller than what a machine does to one run.
TURNS_PER_ROUND = 6
WORKLOADS = (Workload("4K read QD32", "randread", 4096, 32), Workload("4K write QD32", "randwrite", 4096, 32))


class Viewer:
    """Follows a device as the page does, and reads all that comes; costs this process next to nothing."""

    def __init__(self, uri):
        where = urllib.parse.urlsplit(uri)
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise Failure(f"the dashboard answered with HTTP status {self.answer.status}")
        self.line_count = 0
        self.byte_count = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            while line := self.answer.readline():
                self.line_count += line.startswith(b"event: map")
                self.byte_count += len(line)

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(2)
        self.thread.join(10)
        self.connection.close()


def first_seconds(uri):
    """How long it takes from the first connection until the page and its first live data are there."""
    where = urllib.parse.urlsplit(uri)
    began = time.perf_counter()
    with contextlib.closing(http.client.HTTPConnection(where.hostname, where.port, timeout=60)) as page:
        for path in ("/", "/dashboard.css", "/dashboard.js", "/icon.svg"):
            page.request("GET", path)
            page.getresponse().read()
    with contextlib.closing(http.client.HTTPConnection(where.hostname, where.port, timeout=60)) as stream:
        stream.request("GET", "/events")
        answer = stream.getresponse()
        while not answer.readline().startswith(b"event: map"):
            pass
        took = time.perf_counter() - began
        stream.sock.shutdown(2)
    return took


def browser_seconds(shop, uri):
    """From when a navigation begins until the page is painted, and until it has live data: in a real browser, each time a new tab."""
    paints, lives = [], []
    with Browser(directory=shop.disk_dir) as browser:
        for _ in range(BROWSER_COUNT):
            page = browser.open(uri)
            page.wait("performance.getEntriesByName('live').length > 0 && performance.getEntriesByType('paint').length > 0")
            paint, live = page.get("[performance.getEntriesByType('paint').at(-1).startTime, performance.getEntriesByName('live')[0].startTime]")
            paints.append(paint / 1000)
            lives.append(live / 1000)
            page.close()
    return paints, lives


def scrape_millis(uri):
    """How long Prometheus waits for all metrics, on the connection that it keeps."""
    where = urllib.parse.urlsplit(uri)
    took = []
    with contextlib.closing(http.client.HTTPConnection(where.hostname, where.port, timeout=60)) as connection:
        for _ in range(SCRAPES_BEFORE + SCRAPE_COUNT):
            began = time.perf_counter()
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise Failure(f"/metrics answered with HTTP status {answer.status}")
            took.append((time.perf_counter() - began) * 1000)
    return took[SCRAPES_BEFORE:]


def bench(shop, options, say):
    image = os.path.join(shop.disk_dir, "dashboard.img")
    write_noise(image, SIZE_BYTES)
    server = ramback(shop, image, "--mode", "unsafe", "--dirty-max", 2 * SIZE_BYTES, "--http", "127.0.0.1:0", name="dashboard")
    uri = ramback_status(shop, "dashboard")["httpUri"]
    everywhere = set(os.sched_getaffinity(0))
    samples = {workload.name: ([], []) for workload in WORKLOADS}
    for workload in WORKLOADS:
        measure(server, workload, options.seconds, everywhere, shop.disk_dir)
    for turn in range(options.rounds * TURNS_PER_ROUND):
        say(f"with and without a viewer, turn {turn + 1} of {options.rounds * TURNS_PER_ROUND}")
        for workload in WORKLOADS:
            # Who comes second finds the machine as the first one left it: that evens out.
            for watched in (turn % 2, 1 - turn % 2):
                viewer = Viewer(uri) if watched else None
                sample = measure(server, workload, options.seconds, everywhere, shop.disk_dir)
                if viewer:
                    if viewer.line_count == 0:
                        raise Failure("the viewer saw no map")
                    viewer.close()
                samples[workload.name][watched].append(sample)
    first = [first_seconds(uri) for _ in range(FIRST_COUNT)]
    idle = cost_while_idle(server, uri, options.sample_seconds)
    say("a browser opens the page")
    paints, lives = browser_seconds(shop, uri)
    scrapes = scrape_millis(uri)
    ramback_stop(server)
    return report(options, samples, idle, Waits(first, paints, lives, scrapes))


def cost_while_idle(server, uri, seconds):
    """Percent of a core that the daemon takes while nothing happens: without a viewer, and with one."""
    percents = []
    viewer = None
    for watched in (False, True):
        if watched:
            viewer = Viewer(uri)
            wait_until("the viewer", 10, lambda: viewer.byte_count > 0)
        time.sleep(1)
        before = cpu_seconds(server.pid)
        time.sleep(seconds)
        percents.append((cpu_seconds(server.pid) - before) / seconds * 100)
    viewer.close()
    return percents


@dataclass
class Waits:
    """How long somebody waited for the page: a client that only reads, and a browser; in seconds. And for the metrics, in milliseconds."""

    first: list
    paints: list
    lives: list
    scrapes: list


def report(options, samples, idle, waits):
    part = Part(
        "Dashboard",
        ["", "without a viewer", "with one", "", "goal"],
        notes=[
            f"fio on one connection, `unsafe`, {SIZE_BYTES // MIB} MiB, with and without somebody who follows `/events`, in turn;",
            f"medians of {options.rounds * TURNS_PER_ROUND} turns of {options.seconds} s, ratios taken turn by turn.",
        ],
        raw={
            "requestsPerSecond": {
                name: {"without": [s.requests_per_second for s in without], "with": [s.requests_per_second for s in watched]}
                for name, (without, watched) in samples.items()
            },
            "firstSeconds": waits.first,
            "firstPaintSeconds": waits.paints,
            "firstLiveSeconds": waits.lives,
            "scrapeMillis": waits.scrapes,
            "idlePercent": idle,
        },
    )
    for name, (without, watched) in samples.items():
        ratio = median([w.requests_per_second / o.requests_per_second for o, w in zip(without, watched)])
        lost = (1 - ratio) * 100
        part.row(
            f"{name}, requests/s",
            number(median([s.requests_per_second for s in without])),
            number(median([s.requests_per_second for s in watched])),
            f"**{lost:+.2f} %** lost",
            goal=Goal(lost, at_most=LOST_GOAL_PERCENT, unit="%"),
        )
    part.row(
        "the daemon while nothing happens, % of a core",
        f"{idle[0]:.2f}",
        f"{idle[1]:.2f}",
        f"**{idle[1] - idle[0]:.2f}** more",
        goal=Goal(idle[1] - idle[0], at_most=CORE_GOAL_PERCENT),
    )
    for what, seconds in (
        ("page, and first live data, s", waits.first),
        ("in Chromium: first paint, s", waits.paints),
        ("in Chromium: first live data, s", waits.lives),
    ):
        part.row(
            what,
            "",
            f"{median(seconds):.3f}",
            f"at most {max(seconds):.3f}",
            goal=Goal(max(seconds), at_most=FIRST_GOAL_SECONDS),
        )
    part.row(
        "a scrape of `/metrics`, ms",
        "",
        f"{median(waits.scrapes):.1f}",
        f"at most {max(waits.scrapes):.1f}",
        goal=Goal(median(waits.scrapes), at_most=SCRAPE_GOAL_MILLIS),
    )
    return part
