"""What the steps share: the page, the server, and how to say a message and wait for its answer."""
import json

from browser import PageError

DONE = "document.querySelector('#stop').hidden && !document.querySelector('[aria-busy]')"
LAST = "[...document.querySelectorAll('.answer')].at(-1)"


class Drive:
    def __init__(self, page, base, mock, key):
        self.page = page
        self.base = base
        self.mock = mock
        self.key = key
        self.expected_errors = []  # parts of console lines that a step provokes
        page.send("Page.setInterceptFileChooserDialog", {"enabled": True})
        page.browser.send("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": base.rstrip("/")})

    def open(self):
        self.page.open(self.base)
        if self.key:
            self.page.js(f"sessionStorage.setItem('suan.key', {json.dumps(self.key)})")
            self.page.open(self.base)
        self.page.wait("document.querySelector('#state').textContent !== 'Connecting…'")

    def fresh(self):
        """The page anew with nothing kept from before."""
        self.page.send("Storage.clearDataForOrigin", {"origin": self.base.rstrip("/"), "storageTypes": "all"})
        self.page.js("sessionStorage.clear()")
        self.open()

    def recover(self, name):
        """After a failed step: a picture, and the page as the next step expects it."""
        try:
            self.page.shot(name)
            self.page.size(1280, 800)
            self.page.scheme("light")
            if self.mock:
                self.mock.key = None
            self.fresh()
        except PageError as error:
            print("# the page did not recover:", error)

    def say(self, text, wait=True, timeout=20):
        """Types a message, presses Enter, waits for the whole answer."""
        page = self.page
        n = page.js("document.querySelectorAll('.answer').length")
        page.fill("#prompt", text)
        page.key("Enter")
        page.wait(f"document.querySelectorAll('.answer').length > {n}")
        if wait:
            page.wait(DONE, timeout, "the answer is done")

    def last(self):
        return self.page.js(LAST + ".innerText")

    def new(self):
        self.page.click("#new")
        self.page.wait("document.querySelectorAll('.msg').length === 0")

    def panel(self, open_it=True):
        if self.page.js("document.querySelector('#panel').hidden") == open_it:
            self.page.click("#panel-open" if open_it else "#panel-close")

    def body(self):
        """The last chat request that the scripted server saw."""
        return self.mock.bodies[-1]

    def quiet(self):
        """Console lines that nobody provoked."""
        self.page.pump()
        return [e for e in self.page.errors if not any(part in e for part in self.expected_errors)]


def same(found, expected, what):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def holds(text, part):
    assert part in text, f"not found: {part!r} in {text[:600]!r}"
