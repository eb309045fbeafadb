"""A headless Chromium, driven over the pipe of its DevTools protocol. Needs nothing but Python."""
import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "Backspace": (8, ""), "ArrowRight": (39, ""), "ArrowLeft": (37, ""),
        "ArrowDown": (40, ""), "ArrowUp": (38, ""), " ": (32, " "), "Home": (36, ""), "End": (35, "")}


class PageError(Exception):
    pass


def find():
    """The browser's path, or None."""
    return os.environ.get("SUAN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def high_pipe():
    """A pipe whose descriptors leave 3 and 4 free."""
    ends = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in ends]
    for fd in ends:
        os.close(fd)
    return high


class Browser:
    def __init__(self, path):
        self.dir = tempfile.mkdtemp(prefix="suan-page-")
        to_read, self.to_write = high_pipe()
        self.to_listen, to_answer = high_pipe()
        flags = ["--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + self.dir, "--no-first-run", "--no-default-browser-check",
                 "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu",
                 "--disable-dev-shm-usage", "--force-color-profile=srgb", "--hide-scrollbars", "--lang=en-US", "about:blank"]
        if os.geteuid() == 0:
            flags.insert(0, "--no-sandbox")
        # The browser reads at descriptor 3 and writes at 4.
        for fd in (to_read, to_answer):
            os.set_inheritable(fd, True)
        shell = f'exec 3<&{to_read} 4>&{to_answer} {to_read}<&- {to_answer}>&-; exec "$0" "$@"'
        self.process = subprocess.Popen(["bash", "-c", shell, path, *flags], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_answer)
        self.answers = {}
        self.events = queue.Queue()
        self.n_sent = 0
        self.changed = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        rest = b""
        while True:
            data = os.read(self.to_listen, 1 << 20)
            if not data:
                break
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    with self.changed:
                        self.answers[message["id"]] = message
                        self.changed.notify_all()
                else:
                    self.events.put(message)

    def send(self, method, params=None, session=None, timeout=30):
        self.n_sent += 1
        number = self.n_sent
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data):]
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.answers, timeout):
                raise PageError(f"{method}: no answer from the browser within {timeout} s")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def close(self):
        try:
            self.send("Browser.close", timeout=5)
        except (PageError, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Page:
    """One tab. Everything it asked for and everything that went wrong in it is kept: `requests`, `errors`."""

    def __init__(self, browser, shots):
        self.browser = browser
        self.shots = shots
        self.requests = []
        self.errors = []
        self.choosers = []
        target = browser.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = browser.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self.send(domain + ".enable")
        self.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.size(1280, 800)

    def send(self, method, params=None, timeout=30):
        result = self.browser.send(method, params, self.session, timeout)
        self.pump()
        return result

    def pump(self):
        while True:
            try:
                event = self.browser.events.get_nowait()
            except queue.Empty:
                return
            self.hear(event["method"], event["params"])

    def hear(self, method, p):
        if method == "Network.requestWillBeSent":
            self.requests.append(p["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = p["exceptionDetails"]
            self.errors.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            self.errors.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in p["args"]))
        elif method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"log: {p['entry']['text']} {p['entry'].get('url', '')}")
        elif method == "Page.fileChooserOpened":
            self.choosers.append(p["backendNodeId"])

    def js(self, expression, timeout=30):
        out = self.send("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}, timeout)
        if "exceptionDetails" in out:
            details = out["exceptionDetails"]
            raise PageError(f"{expression[:200]}: {details.get('exception', {}).get('description', details['text'])}")
        return out["result"].get("value")

    def wait(self, expression, timeout=10, what=None):
        """Until the expression is true; gives its value."""
        end = time.monotonic() + timeout
        while True:
            value = self.js(expression)
            if value:
                return value
            if time.monotonic() > end:
                raise PageError(f"not within {timeout} s: {what or expression}")
            time.sleep(0.03)

    def open(self, url):
        self.send("Page.navigate", {"url": url})
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def size(self, width, height, scale=1, phone=False):
        self.send("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone})
        self.send("Emulation.setTouchEmulationEnabled", {"enabled": phone})

    def scheme(self, name):
        self.send("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}, {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def at(self, selector):
        """The middle of an element, after bringing it into view; it must be what a pointer would meet there."""
        return self.wait(f"""(() => {{
            const e = document.querySelector({json.dumps(selector)});
            if (!e) return null;
            e.scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
            const b = e.getBoundingClientRect();
            const [x, y] = [b.left + b.width / 2, b.top + b.height / 2];
            const hit = document.elementFromPoint(x, y);
            return b.width && hit && (e.contains(hit) || hit.contains(e) && hit.matches('label')) ? {{ x, y }} : null;
        }})()""", what=f"{selector} can be clicked")

    def click(self, selector):
        point = self.at(selector)
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            self.send("Input.dispatchMouseEvent", {"type": kind, **point, "button": "left" if kind != "mouseMoved" else "none", "buttons": buttons, "clickCount": 1 if kind != "mouseMoved" else 0})

    def text(self, text):
        self.send("Input.insertText", {"text": text})

    def key(self, key, shift=False):
        code, text = KEYS[key]
        base = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", {"type": "keyDown" if text else "rawKeyDown", **base, **({"text": text} if text else {})})
        self.send("Input.dispatchKeyEvent", {"type": "keyUp", **base})

    def fill(self, selector, text):
        """Clicks into a field and writes over what it holds."""
        self.click(selector)
        self.js(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.text(text)
        else:
            self.key("Backspace")

    def choose(self, selector, value):
        """Chooses an option of a select; the list that the system draws is no part of the page."""
        self.click(selector)
        self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
                "e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true})); })()")
        self.key("Escape")

    def shot(self, name):
        """A picture, for which the window itself must not have scrolled: only the page's parts do."""
        if name and not name.startswith("failed-"):
            at = self.js("[scrollX, scrollY, document.body.scrollTop, document.body.scrollLeft]")
            if any(at):
                raise PageError(f"{name}: the window has scrolled by {at}")
        data = self.send("Page.captureScreenshot", {"format": "png"})["data"]
        with open(os.path.join(self.shots, name + ".png"), "wb") as f:
            f.write(base64.b64decode(data))
