#!/usr/bin/python3
"""Goes through a device's dashboard in a real browser, as its users do.

usage: dashboard.py BASE TOKEN_FILE CONTROL_SOCKET NBD_URI DIRECTORY

BASE is the dashboard's address, as http://localhost:8080/. Prints `browser` when it is there; then a device is to be started that is
loaded slowly until `load` is printed, and then has a disk of 4 MB/s; at `stop` it is to be stopped, at `start` to be started again.
Pictures and what else it makes go to DIRECTORY. A line a check: `ok`, or `not ok`, its name, and why; figures behind `#`; `done` at
the end.
"""

import contextlib
import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import nbd

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from browser import PATIENCE, Browser, Failed  # noqa: E402

MIB = 1 << 20
SIZE_BYTES = 128 * MIB
PAGE_BYTES_MAX = 150 << 10
# The goal is a second; a slow machine is no fault, and bench's part `dashboard` has the goal as it is.
LIVE_MILLIS_MAX = 5000 * PATIENCE
RAMBACK = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "ramback")
PHONES = ((390, 844), (320, 640))
CONTRAST_MIN = 4.5
# Colours of states that lie beside each other, as how much lighter one is than the other.
LIGHTNESS_RATIO_MIN = 1.3

# What a person would read off the page.
LIGHT = "document.querySelector('#light-word').textContent"
MODE = "document.querySelector('#mode').textContent"
SAID = "document.querySelector('#said').textContent"
DIRTY_SQUARES = "Number(/([\\d,]+) squares? (?:has|have)/.exec(document.querySelector('#map-text').textContent)?.[1].replace(/,/g, ''))"
IN_FLIGHT = "Number(/([\\d,]+) in flight/.exec(document.querySelector('#map-text').textContent)?.[1].replace(/,/g, ''))"
CONTRASTS = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const lightness = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.closest('fieldset:disabled, .bulb, dialog:not([open])')) continue;
    const [a, b] = [lightness(parse(getComputedStyle(element).color)), lightness(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < MIN) low.push(`${element.tagName} ${element.className} ${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
})()
"""
LIGHTNESSES = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return ['zero', 'clean', 'dirty', 'flight'].map((name) => {
    canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--' + name);
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return [name, 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)];
  });
})()
"""


def must(condition, why):
    if not condition:
        raise Failed(why)


class Relay:
    """A port that leads to a Unix socket, as `ssh -L PORT:SOCKET` makes it."""

    def __init__(self, path):
        self.path = path
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listening.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.path)
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(1 << 16):
                b.sendall(data)
        for end in (a, b):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class OtherSite(http.server.BaseHTTPRequestHandler):
    """A page of somebody else's, on another port."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title><link rel=icon href='data:,'>")

    def log_message(self, *_):
        pass


class Tour:
    """All checks, in an order in which each finds what the one before left."""

    def __init__(self, base, token_file, control_socket, nbd_uri, directory):
        self.base = base
        self.token_file = token_file
        self.control_socket = control_socket
        self.nbd_uri = nbd_uri
        self.directory = directory
        self.client = nbd.NBD()
        self.token = ""
        self.failed = 0
        self.browser = None
        self.page = None

    def meet(self):
        """Waits for the device."""
        self.until(self.is_up, 60, "the device")
        with open(self.token_file, encoding="ascii") as file:
            self.token = file.read().strip()
        self.client.connect_uri(self.nbd_uri)

    def is_up(self):
        try:
            return self.ask("GET", "/status")[0] == 200
        except OSError:
            return False

    def check(self, name, action):
        try:
            action()
            print(f"ok\t{name}\t", flush=True)
        except Exception as error:  # the next check may still tell something
            self.failed += 1
            print(f"not ok\t{name}\t{type(error).__name__}: {' '.join(str(error).split())[:600]}", flush=True)
            if self.page:
                with contextlib.suppress(Failed):
                    self.page.shoot(os.path.join(self.directory, f"failed-{self.failed}.png"))

    def figure(self, text):
        print(f"#\t{text}\t", flush=True)

    def picture(self, page, name, whole=False):
        page.shoot(os.path.join(self.directory, name + ".png"), whole)

    def ask(self, method, path, body=None, **headers):
        """Asks the daemon without a browser; returns status and answer."""
        where = urllib.parse.urlsplit(self.base)
        with contextlib.closing(http.client.HTTPConnection(where.hostname, where.port, timeout=60)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def status(self):
        return json.loads(self.ask("GET", "/status")[1])

    def until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition():
            must(time.monotonic() < deadline, f"not within {seconds * PATIENCE} s: {what}")
            self.browser.listen(0.05)

    # --- what is seen ---

    def opens(self):
        self.page = self.browser.open(f"{self.base}#token={self.token}")
        self.page.wait("performance.getEntriesByName('live').length > 0")
        live, paint = self.page.get(
            "[performance.getEntriesByName('live')[0].startTime, performance.getEntriesByType('paint').at(-1)?.startTime ?? 0]"
        )
        self.figure(f"first live data {live:.0f} ms after the navigation began, first contentful paint {paint:.0f} ms")
        must(self.page.text("#name") == "disk", self.page.text("#name"))
        must(live <= LIVE_MILLIS_MAX, f"first live data after {live:.0f} ms, where {LIVE_MILLIS_MAX} are enough")

    def is_small(self):
        self.browser.listen(0.5)
        size = sum(length for request, length in self.page.lengths.items() if not self.page.requests[request].endswith("/events"))
        files = len(self.page.lengths)
        self.figure(f"the page is {size / 1024:.1f} KiB in {files} files, headers included")
        must(files >= 4 and size <= PAGE_BYTES_MAX, f"{size} bytes in {files} files")

    def hides_the_token(self):
        must(self.page.get("location.hash") == "", "the token is still in the address")
        must(self.token in self.page.get("JSON.stringify(sessionStorage)"), "the token is not kept")
        must(self.token not in self.page.get("document.documentElement.outerHTML"), "the token is in the page")
        must(self.page.get("!document.querySelector('#controls').disabled"), "the controls are off")

    def shows_loading(self):
        must(self.page.get(LIGHT) == "amber", self.page.get(LIGHT))
        self.page.wait("/loading, \\d+ %/.test(document.querySelector('#light-why').textContent)")
        self.page.wait(f"{IN_FLIGHT} > 0")
        self.picture(self.page, "loading")
        self.page.wait("/to go/.test(document.querySelector('#loaded-note').textContent)")

    def turns_green(self):
        self.page.wait(f"{LIGHT} === 'green'", 120)
        must("green" in self.page.get("document.title"), self.page.get("document.title"))
        must("green" in self.page.text("#announce"), "nothing was said aloud")
        self.logs("^.*loaded state ready .was loading., light green .was amber.: all of the image is loaded$")

    def map_follows_a_writer(self):
        pixels = "document.querySelector('#map').toDataURL()"
        before = self.page.get(pixels)
        must(self.page.get(DIRTY_SQUARES) == 0, f"{self.page.get(DIRTY_SQUARES)} squares are dirty")
        with self.writing(16 * MIB, 24 * MIB):
            self.page.wait(f"{DIRTY_SQUARES} > 60")
            must(self.page.get(pixels) != before, "the map was not painted anew")
            self.page.wait("/B$/.test(document.querySelector('#loss').textContent)")
            self.page.wait(f"/writes [\\d.]+ [KM]iB.s/.test({self.legend('Throughput')})")
            self.page.wait(f"/writes [\\d.]+ .?s, [\\d.]+ .?s/.test({self.legend('Latency, median and 99 %')})")
            self.page.wait("/^([1-9]\\d*|< 1) %$/.test(document.querySelector('#journal').textContent)")
            self.page.wait("/B of 64 MiB$/.test(document.querySelector('#journal-note').textContent)")
            self.picture(self.page, "writing")

    @contextlib.contextmanager
    def writing(self, first, end):
        """A client that goes on writing: what is at risk at one moment may be in the journal at the next."""
        is_over = threading.Event()
        errors = []

        def write():
            try:
                while True:
                    for offset in range(first, end, MIB):
                        self.client.pwrite(os.urandom(MIB), offset)
                        if is_over.wait(0.1):
                            return
            except nbd.Error as error:
                errors.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            is_over.set()
            writer.join()
        must(not errors, f"the client says {errors}")

    @staticmethod
    def legend(title):
        """What stands below a chart, all of it."""
        return f"[...document.querySelectorAll('.chart')].find((e) => e.querySelector('h3').textContent === '{title}').querySelector('ul').textContent"

    def logs(self, regex, seconds=10):
        """Waits for a line among the events."""
        self.page.wait(f"[...document.querySelectorAll('#log li')].some((e) => /{regex}/.test(e.querySelector('.what').textContent))", seconds)

    def square_tells_what_it_is(self):
        cell_bytes = SIZE_BYTES // 4096
        self.page.get("document.querySelector('#map').focus()")
        self.page.press("Home")
        self.page.wait("/^Bytes 0 B to/.test(document.querySelector('#map-cell').textContent)")
        must("nothing newer" in self.page.text("#map-cell"), self.page.text("#map-cell"))
        self.client.pwrite(os.urandom(cell_bytes), cell_bytes)
        self.page.press("ArrowRight")
        self.page.wait("/^Bytes 32 KiB to 64 KiB: .*all newer/.test(document.querySelector('#map-cell').textContent)")
        self.page.press("Escape")

    def flushes_by_click(self):
        self.page.click("#flush")
        self.page.wait(f"{SAID} === 'everything that was dirty is in the image'", 60)
        must(self.status()["dirtyBytes"] == 0, "it is still dirty")
        self.page.wait(f"{DIRTY_SQUARES} === 0")
        self.page.wait("/^nothing/.test(document.querySelector('#loss').textContent)")

    def switches_mode_by_click(self):
        with self.back_to_writeback():
            self.page.click("[data-mode=checkpoint]")
            self.page.wait(f"{MODE} === 'checkpoint'")
            must(self.status()["mode"] == "checkpoint", self.status()["mode"])
            self.page.wait("document.querySelector('[data-mode=checkpoint]').getAttribute('aria-pressed') === 'true'")
            self.logs("mode checkpoint .was writeback.(, light amber .was green.)?: somebody asked for it$")
            self.page.wait(f"{LIGHT} === 'amber'")

    @contextlib.contextmanager
    def back_to_writeback(self):
        """Whatever comes of it: the next check is not to find another mode."""
        try:
            yield
        finally:
            self.page.click("[data-mode=auto]")
            self.page.wait(f"{MODE} === 'writeback' && {LIGHT} === 'green'", 30)

    def asks_before_unsafe(self):
        self.page.click("[data-mode=unsafe]")
        self.page.wait("document.querySelector('#confirm').open")
        must(self.page.get("document.activeElement.id") == "confirm-no", "Cancel has not the focus")
        self.picture(self.page, "unsafe")
        self.page.press("Escape")
        self.page.wait("!document.querySelector('#confirm').open")
        self.page.click("[data-mode=unsafe]")
        self.page.press("Enter")  # Cancel
        self.page.wait("!document.querySelector('#confirm').open")
        must(self.status()["mode"] == "writeback", self.status()["mode"])
        with self.back_to_writeback():
            self.page.click("[data-mode=unsafe]")
            self.page.click("#confirm-yes")
            self.page.wait(f"{MODE} === 'unsafe'")

    def shows_the_power(self):
        canvas = "document.querySelector('canvas[aria-label^=\"Power\"]')"
        # In the strip along the bottom: the last lines of pixels of the chart, of which line power takes fewer than a battery.
        painted = (
            f"(() => {{ const c = {canvas}; const h = Math.round(9 * devicePixelRatio); const k = document.createElement('canvas');"
            " k.width = c.width; k.height = h; const context = k.getContext('2d', {willReadFrequently: true});"
            " context.drawImage(c, 0, h - c.height);"
            " return context.getImageData(0, 0, k.width, h).data.filter((v, i) => i % 4 === 3 && v > 0).length; })()"
        )
        must("nobody" in self.page.text("#power-note"), self.page.text("#power-note"))
        empty = self.page.get(painted)
        try:
            subprocess.run([RAMBACK, "power", "on-battery", "disk"], check=True)
            self.page.wait("document.querySelector('#power').textContent === 'on battery'")
            self.page.wait(f"{LIGHT} === 'amber' && /on battery/.test(document.querySelector('#light-why').textContent)")
            self.page.wait(f"{MODE} === 'writethrough'")
            self.logs("power on-battery .was none.")
            self.page.wait(f"{painted} > {empty}", 30)
            self.picture(self.page, "battery", whole=True)
        finally:
            subprocess.run([RAMBACK, "power", "on-line", "disk"], check=True)
        self.page.wait("document.querySelector('#power').textContent === 'line power'")
        self.page.wait(f"{MODE} === 'writeback' && {LIGHT} === 'green'", 30)
        self.logs("power online .was on-battery.")

    def takes_a_snapshot(self):
        file = os.path.join(self.directory, "copy.img")
        self.page.write("#file", "copy.img")
        self.page.press("Enter")
        self.page.wait(f"/whole path/.test({SAID})")
        self.page.write("#file", file)
        self.page.click("#snapshot-form button")
        self.page.wait(f"{SAID}.startsWith('snapshot in {file}')", 60)
        must(os.stat(file).st_mode & 0o777 == 0o600, "the copy is not its owner's alone")
        with open(file, "rb") as copy:
            copy.seek(16 * MIB)
            must(copy.read(MIB) == self.client.pread(MIB, 16 * MIB), "the copy differs")
        self.page.click("#snapshot-form button")
        self.page.wait(f"/exists/.test({SAID}) && document.querySelector('#said').className === 'bad'")
        os.unlink(file)

    # --- how it can be used ---

    def goes_by_keyboard(self):
        self.page.get("document.activeElement.blur(); scrollTo(0, 0)")
        seen = []
        for _ in range(60):
            self.page.press("Tab")
            where, ring = self.page.get(
                "[document.activeElement.id || document.activeElement.dataset.mode || document.activeElement.className"
                " || document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
            must(ring != "none" or where == "BODY", f"no focus to be seen on {where}")
            seen.append(where)
            if where == "flush":
                break
        for wanted in ("skip", "theme", "map", "checkpoint", "unsafe", "flush"):
            must(wanted in seen, f"{wanted} is not reached: {seen}")
        self.page.press("Enter")
        self.page.wait(f"/everything that was dirty/.test({SAID})", 30)

    def names_everything(self):
        self.page.send("Accessibility.enable")
        nodes = self.page.send("Accessibility.getFullAXTree")["nodes"]
        roles = {node["role"]["value"] for node in nodes if not node["ignored"]}
        for role in ("banner", "main", "status", "heading", "list", "image"):
            must(role in roles or (role == "image" and "img" in roles), f"no {role}: {sorted(roles)}")
        for node in nodes:
            if not node["ignored"] and node["role"]["value"] in ("button", "textbox", "image", "img", "Canvas"):
                name = node.get("name", {}).get("value", "")
                must(name.strip(), f"a {node['role']['value']} without a name")
        chunks = [node for node in nodes if node.get("name", {}).get("value") == "All chunks" and node["role"]["value"] in ("image", "img")]
        must(chunks and "A square is" in chunks[0].get("description", {}).get("value", ""), "the map has no text beside it")

    def is_readable(self):
        for scheme in ("light", "dark"):
            self.page.prefer(prefers_color_scheme=scheme)
            self.browser.listen(0.6)  # colours fade over
            low = self.page.get(CONTRASTS.replace("MIN", str(CONTRAST_MIN)))
            must(not low, f"{scheme}: {low}")
            lights = self.page.get(LIGHTNESSES)
            for i, (name, light) in enumerate(lights):
                for other, other_light in lights[:i]:
                    ratio = (max(light, other_light) + 0.05) / (min(light, other_light) + 0.05)
                    must(ratio >= LIGHTNESS_RATIO_MIN, f"{scheme}: {name} and {other} are as light: {ratio:.2f}")
            self.picture(self.page, scheme, whole=True)

    def is_dark_where_that_is_liked(self):
        colour = "getComputedStyle(document.body).backgroundColor"
        self.page.prefer(prefers_color_scheme="light")
        light = self.page.get(colour)
        self.page.prefer(prefers_color_scheme="dark")
        dark = self.page.get(colour)
        must(light != dark, light)
        self.page.click("#theme")  # light, whatever the system likes
        must(self.page.get(colour) == light, "the button does not make it light")
        self.page.click("#theme")
        self.page.prefer(prefers_color_scheme="light")
        must(self.page.get(colour) == dark, "the button does not make it dark")
        self.page.click("#theme")
        must(self.page.get(colour) == light, "the button does not go back")

    def keeps_still_for_who_wants_that(self):
        moves = "getComputedStyle(document.querySelector('.bulb')).transitionDuration"
        self.page.prefer(prefers_reduced_motion="no-preference")
        must(self.page.get(moves) != "0s", "nothing fades at all")
        self.page.prefer(prefers_reduced_motion="reduce")
        must(self.page.get(moves) == "0s", self.page.get(moves))
        self.page.prefer()

    def fits_a_phone(self):
        for width, height in PHONES:
            page = self.browser.open(f"{self.base}#token={self.token}", width, height, phone=True)
            page.wait("document.documentElement.dataset.maps > 0")
            self.browser.listen(0.3)
            sizes = page.get("[document.documentElement.scrollWidth, innerWidth, document.querySelector('#map').clientWidth]")
            must(sizes[0] <= sizes[1] and sizes[1] == width, f"{sizes[0]} wide on {sizes[1]}")
            must(sizes[2] > width * 0.7, f"a map of {sizes[2]} on {width}")
            small = page.get(
                "[...document.querySelectorAll('button, input')].filter((e) => e.offsetParent && e.offsetHeight < 30).map((e) => e.id || e.textContent)"
            )
            must(not small, f"too small for a finger: {small}")
            self.picture(page, f"phone-{width}", whole=True)
            self.unspoilt(page)
            page.close()

    def shows_what_is_attached(self):
        """Under the name and among the details; and what an application does there is a client's work."""
        subtitle = "document.querySelector('#subtitle').textContent"
        details = "document.querySelector('#details').textContent"
        self.page.wait(f"/attachednot to this machine/.test({details})")
        subprocess.run([RAMBACK, "attach", "disk", "--via", "fuse"], check=True, capture_output=True, timeout=60)
        try:
            status = self.status()
            self.page.wait(f"{subtitle}.endsWith('2 clients · attached: fuse {status['attached']['device']}')")
            self.page.wait(f"/attachedfuse \\/dev\\/loop/.test({details})")
            reads = status["requests"]["reads"]
            subprocess.run(
                ["dd", f"if={status['attached']['device']}", "of=/dev/null", "bs=64K", "count=64", "iflag=direct"],
                check=True,
                capture_output=True,
                timeout=60,
            )
            must(self.status()["requests"]["reads"] >= reads + 64, f"{self.status()['requests']} after {reads} reads and 64 more")
            self.picture(self.page, "attached")
        finally:
            subprocess.run([RAMBACK, "detach", "disk"], check=True, capture_output=True, timeout=60)
        self.page.wait(f"/attachednot to this machine/.test({details})")
        self.page.wait(f"{subtitle}.endsWith('1 client')")

    # --- who may do what ---

    def asks_for_the_token(self):
        page = self.browser.open(self.base)
        page.wait(f"{LIGHT} === 'green'")
        must(page.get("document.querySelector('#controls').disabled"), "the controls are on")
        page.click("#flush")
        page.click("[data-mode=checkpoint]")
        code = page.get("fetch('mode', {method: 'POST', body: '{\"mode\":\"checkpoint\"}'}).then((r) => r.status)")
        must(code == 401, str(code))
        page.write("#token", "x" * 32)
        page.press("Enter")
        page.wait("!document.querySelector('#controls').disabled")
        page.click("[data-mode=checkpoint]")
        page.wait(f"/not the token/.test({SAID}) && document.querySelector('#controls').disabled")
        must(self.status()["mode"] == "writeback", self.status()["mode"])
        page.write("#token", self.token)
        page.click("#token-form button")
        page.wait("!document.querySelector('#controls').disabled")
        page.click("#flush")
        page.wait(f"/everything that was dirty/.test({SAID})", 30)
        # What was refused, and nothing else.
        must(all("401" in complaint for complaint in page.complaints) and len(page.complaints) == 2, str(page.complaints))
        page.close()

    def does_nothing_for_other_sites(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        relay = Relay(self.control_socket)
        page = self.browser.open(f"http://localhost:{server.server_port}/")
        before = self.status()["mode"]
        for base in (self.base, f"http://localhost:{relay.port}/"):
            told = page.get(
                f"""(async () => {{
                  const told = [];
                  const note = (name, promise) => promise.then((r) => told.push(name + ' ' + (r.type === 'opaque' ? 'opaque' : r.status)), () => told.push(name + ' blocked'));
                  const body = '{{"mode":"unsafe"}}';
                  await note('simple', fetch('{base}mode', {{method: 'POST', mode: 'no-cors', body}}));
                  await note('credentials', fetch('{base}mode', {{method: 'POST', mode: 'no-cors', credentials: 'include', body}}));
                  await note('json', fetch('{base}mode', {{method: 'POST', headers: {{'Content-Type': 'application/json', Authorization: 'Bearer {self.token}'}}, body}}));
                  await note('read', fetch('{base}status'));
                  await new Promise((done) => {{
                    const source = new EventSource('{base}events');
                    source.addEventListener('status', () => {{ told.push('events came'); source.close(); done(); }});
                    source.onerror = () => {{ told.push('events blocked'); source.close(); done(); }};
                  }});
                  await new Promise((done) => {{
                    const frame = document.createElement('iframe');
                    const form = Object.assign(document.createElement('form'), {{method: 'POST', action: '{base}mode', enctype: 'text/plain', target: 'into'}});
                    frame.name = 'into';
                    frame.onload = done;
                    const field = Object.assign(document.createElement('input'), {{name: '{{"mode":"unsafe","x":"', value: '"}}'}});
                    form.append(field);
                    document.body.append(frame, form);
                    form.submit();
                    setTimeout(done, 3000);
                  }});
                  return told;
                }})()"""
            )
            must(len(told) == 5 and all(line.endswith(" blocked") for line in told), f"{base}: {told}")
        must(self.status()["mode"] == before, self.status()["mode"])
        page.close()
        server.shutdown()

    def answers_to_no_other_name(self):
        for host in ("evil.example", "disk.evil.example:80", "localhost.evil.example"):
            must(self.ask("GET", "/status", Host=host)[0] == 421, f"answers to {host}")
            must(self.ask("POST", "/flush", "{}", Host=host, Authorization=f"Bearer {self.token}")[0] == 421, f"flushes for {host}")
        must(self.ask("POST", "/down", "{}", Authorization=f"Bearer {self.token}")[0] in (404, 405), "can be stopped from TCP")
        must(self.ask("POST", "/handover", "{}", Authorization=f"Bearer {self.token}")[0] in (404, 405), "can be handed over from TCP")

    def needs_no_token_on_the_control_socket(self):
        relay = Relay(self.control_socket)
        page = self.browser.open(f"http://localhost:{relay.port}/")
        page.wait(f"{LIGHT} === 'green'")
        page.wait("!document.querySelector('#controls').disabled && document.querySelector('#token-form').hidden")
        page.click("#flush")
        page.wait(f"/everything that was dirty/.test({SAID})", 30)
        self.unspoilt(page)
        page.close()

    def rests_while_nobody_sees_it(self):
        page = self.browser.open(self.base)
        connected = "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/events')).length"
        maps = "Number(document.documentElement.dataset.maps)"
        page.wait(f"{maps} > 0")
        page.get("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
        page.wait(f"{connected} === 1", 20)  # told when a connection has come to its end
        seen = page.get(maps)
        self.client.pwrite(os.urandom(MIB), 44 * MIB)
        self.browser.listen(2)
        must(page.get(maps) == seen, "it goes on")
        must(page.get("document.querySelector('#lost').hidden"), "it takes its rest for a daemon that is gone")
        page.get("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait(f"{maps} > {seen}")
        self.unspoilt(page)
        page.close()

    def bears_viewers_that_do_not_read(self):
        where = urllib.parse.urlsplit(self.base)
        stuck = []
        for _ in range(20):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.settimeout(60)
            connection.connect((where.hostname, where.port))
            connection.sendall(f"GET /events HTTP/1.1\r\nHost: localhost:{where.port}\r\n\r\n".encode())
            stuck.append(connection)
        maps = "Number(document.documentElement.dataset.maps)"
        self.client.pwrite(os.urandom(MIB), 40 * MIB)
        seen = self.page.get(maps)
        self.page.wait(f"{maps} > {seen}")
        must(self.status()["name"] == "disk", "the status is not answered")
        # Of each only the first words, since a later one may come in when an earlier one has been dropped.
        answers = [connection.recv(12, socket.MSG_WAITALL) for connection in stuck]
        must(set(answers) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}, f"{answers}")
        told = b""
        while b"16 viewers" not in told:
            some = stuck[answers.index(b"HTTP/1.1 503")].recv(4096)
            must(some, f"the refusal says {told}")
            told += some
        for connection in stuck:
            connection.close()

        def comes_in():
            with socket.create_connection((where.hostname, where.port)) as viewer:
                viewer.sendall(f"GET /events HTTP/1.1\r\nHost: localhost:{where.port}\r\n\r\n".encode())
                return b" 200 " in viewer.recv(64)

        self.until(comes_in, 15, "room for a viewer")

    def unspoilt(self, page):
        """Nothing was complained of, and nothing asked for elsewhere."""
        # Of a snapshot that was refused on purpose.
        complaints = [complaint for complaint in page.complaints if not complaint.endswith("/snapshot")]
        must(not complaints, f"the console says {complaints}")
        where = page.get("location.origin")
        outside = [url for url in page.requests.values() if not url.startswith(where + "/")]
        must(not outside, f"asked for {outside}")

    # --- the end ---

    def says_when_it_is_alone(self):
        """For whoever stops the daemon meanwhile."""
        self.page.wait("!document.querySelector('#lost').hidden", 60)
        must(self.page.get(LIGHT) == "unknown", self.page.get(LIGHT))
        self.picture(self.page, "lost")

    def comes_back(self):
        self.page.wait(f"document.querySelector('#lost').hidden && {LIGHT} === 'green'", 60)
        # Each run has a token of its own.
        self.page.click("#flush")
        self.page.wait(f"/not the token/.test({SAID}) && document.querySelector('#controls').disabled")



def main():
    tour = Tour(*sys.argv[1:])
    with Browser() as browser:
        tour.browser = browser
        print("browser\t\t", flush=True)
        tour.meet()
        tour.check("the page opens, with live data", tour.opens)
        tour.check(f"all of it is at most {PAGE_BYTES_MAX >> 10} KiB", tour.is_small)
        tour.check("the token goes from the address into the tab's memory", tour.hides_the_token)
        tour.check("while loading the light is amber, with the reason, and squares are in flight", tour.shows_loading)
        print("load\t\t", flush=True)
        tour.check("loaded, it turns green, and that is said aloud", tour.turns_green)
        tour.check("the map, the loss, the journal and the charts, latencies among them, change while a client writes", tour.map_follows_a_writer)
        tour.check("a square tells what it is, by keyboard", tour.square_tells_what_it_is)
        tour.check("a click flushes, and the map is clean", tour.flushes_by_click)
        tour.check("a click switches the mode; the event log says so", tour.switches_mode_by_click)
        tour.check("unsafe is asked about, and Cancel is the default", tour.asks_before_unsafe)
        tour.check("on battery tile, light, mode, chart and events say so, and on line power again", tour.shows_the_power)
        tour.check("a snapshot is taken by a click, to a whole and new path", tour.takes_a_snapshot)
        tour.check("what is attached is shown, and what is asked of it there counts", tour.shows_what_is_attached)
        tour.check("everything is reached by keyboard, the focus seen", tour.goes_by_keyboard)
        tour.check("landmarks, names, and a text beside the map", tour.names_everything)
        tour.check("light and dark have contrast, states differ in lightness", tour.is_readable)
        tour.check("light and dark follow the system, or the button", tour.is_dark_where_that_is_liked)
        tour.check("nothing moves for who prefers that", tour.keeps_still_for_who_wants_that)
        tour.check("it fits a telephone, without scrolling sideways", tour.fits_a_phone)
        tour.check("without the token one may look, and a wrong one is refused", tour.asks_for_the_token)
        tour.check("another site can change nothing and read nothing, over TCP and a forwarded control socket", tour.does_nothing_for_other_sites)
        tour.check("another host name is not answered, and the stop is not to be had on TCP", tour.answers_to_no_other_name)
        tour.check("the control socket serves the page, without a token", tour.needs_no_token_on_the_control_socket)
        tour.check("a page that nobody sees lets its connection go, and comes again", tour.rests_while_nobody_sees_it)
        tour.check("viewers that do not read hinder nobody; more than 16 are told so", tour.bears_viewers_that_do_not_read)
        tour.check("the console is free of complaints, and nothing came from elsewhere", lambda: tour.unspoilt(tour.page))
        # The section now stops the daemon, and starts it again.
        tour.client.shutdown()
        print("stop\t\t", flush=True)
        tour.check("a page whose daemon has gone says so", tour.says_when_it_is_alone)
        print("start\t\t", flush=True)
        tour.check("and goes on with the next one, with its own token", tour.comes_back)
    print("done\t\t", flush=True)
    return 1 if tour.failed else 0


if __name__ == "__main__":
    sys.exit(main())
