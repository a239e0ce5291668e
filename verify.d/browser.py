"""Chromium without a screen, driven over the DevTools protocol through a pipe: no port, no WebSocket, no driver that must fit the
browser's version, and everything that the page says and asks for is seen. Only the standard library.

    with Browser() as browser:
        page = browser.open("http://localhost:8080/")
        page.wait("document.title !== ''")
        page.click("#flush")
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 4  # times what a quiet machine needs
FLAGS = (
    *("--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-gpu", "--mute-audio"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"),
    *("--disable-features=Translate,OptimizationHints,MediaRouter", "--password-store=basic"),
)
KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    " ": ("Space", 32, " "),
}


class Failed(Exception):
    """What was expected of the page did not come."""


class Browser:
    """One Chromium with a profile of its own; as root without its sandbox, which root may not have."""

    def __init__(self, program="chromium", directory=None):
        self.profile = tempfile.mkdtemp(prefix="browser.", dir=directory or os.getcwd())
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [program, *FLAGS, *sandbox, f"--user-data-dir={self.profile}", "about:blank"]
        # The browser reads from 3 and writes to 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *command],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile},
        )
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.number = 0
        self.pages = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.send("Browser.close")
            self.process.wait(15)
        except (Failed, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        for _ in range(50):  # the last of its processes may still be writing
            shutil.rmtree(self.profile, ignore_errors=True)
            if not os.path.exists(self.profile):
                break
            time.sleep(0.1)

    def send(self, method, session=None, **parameters):
        """Asks the browser for something and returns its answer."""
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            answer = self.next_message(deadline)
            if answer is None:
                raise Failed(f"the browser does not answer {method}")
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error'].get('message')}")
                return answer["result"]

    def next_message(self, deadline):
        """The next message, or None when the time is up; events are given to their pages."""
        while b"\0" not in self.buffer:
            if not select.select([self.into], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            some = os.read(self.into, 1 << 16)
            if not some:
                raise Failed("the browser has ended")
            self.buffer += some
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        page = self.pages.get(message.get("sessionId"))
        if page and "method" in message:
            page.notice(message["method"], message["params"])
        return message

    def listen(self, seconds):
        """Takes what comes for a while."""
        deadline = time.monotonic() + seconds
        while self.next_message(deadline) is not None:
            pass

    def open(self, url, width=1280, height=900, phone=False):
        """A page in a context of its own: with nothing stored by another."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.resize(width, height, phone)
        if url:
            page.go(url)
        return page


class Page:
    """A tab, and everything it complained of and asked for."""

    def __init__(self, browser, session, target):
        self.browser = browser
        self.session = session
        self.target = target
        self.complaints = []
        self.requests = {}
        self.lengths = {}

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def notice(self, method, said):
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(part.get("value", part.get("description"))) for part in said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests[said["requestId"]] = said["request"]["url"]
        elif method == "Network.loadingFinished":
            self.lengths[said["requestId"]] = said["encodedDataLength"]

    def go(self, url):
        """Goes there and waits until it is loaded."""
        answer = self.send("Page.navigate", url=url)
        if answer.get("errorText"):
            raise Failed(f"{url}: {answer['errorText']}")
        self.wait("document.readyState === 'complete'")

    def resize(self, width, height, phone=False):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)

    def prefer(self, **features):
        """Sets media features, as prefers_color_scheme='dark'."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=named)

    def get(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(f"{expression}: {details.get('exception', {}).get('description') or details['text']}")
        return answer["result"].get("value")

    def text(self, selector):
        return self.get(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def wait(self, condition, seconds=10):
        """Waits until an expression is true, and returns it."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            value = self.get(condition)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failed(f"not within {seconds * PATIENCE} s: {condition}")
            self.browser.listen(0.02)

    def click(self, selector):
        """Presses the mouse in the middle of an element, as a person would: whatever lies there gets it."""
        x, y = self.get(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if kind != "mouseMoved" else "none", clickCount=1)

    def press(self, key):
        code, number, text = KEYS[key]
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number, **typed)

    def write(self, selector, text):
        """Types into an empty field."""
        self.click(selector)
        self.get(f"document.querySelector({json.dumps(selector)}).value = ''")
        self.send("Input.insertText", text=text)

    def shoot(self, path, whole=False):
        """Takes a picture, PNG or, smaller, WebP by the file's name."""
        kind = {"format": "webp", "quality": 60} if path.endswith(".webp") else {"format": "png"}
        data = self.send("Page.captureScreenshot", captureBeyondViewport=whole, **kind)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self.target)
