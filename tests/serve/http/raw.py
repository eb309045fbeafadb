"""What the tests of sockets share: a server as a child, raw connections, replies taken apart strictly, and TAP."""
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SERVER = os.environ.get("HTTP_SERVER", "")
SUAN = os.environ.get("SUAN", "")


class Server:
    """http_server with NAME=VALUE options."""

    def __init__(self, *options, log=None):
        self.dir = tempfile.TemporaryDirectory()
        self.log = log or os.path.join(self.dir.name, "log")
        self.child = subprocess.Popen([SERVER, "log=" + self.log, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=sys.stderr)
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        self.port = int(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        status = self.child.wait(30)
        self.dir.cleanup()
        if status != 0:
            raise RuntimeError("the server ended with %d" % status)

    def connect(self, timeout=10):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def log_lines(self):
        with open(self.log, "rb") as f:
            return f.read().split(b"\n")[:-1]

    def counts(self):
        return json.loads(self.ask("GET", "/test/counts")[0].body)

    def ask(self, method, path, body=None, headers=(), host="127.0.0.1", timeout=10):
        """One request on a connection of its own; the replies (there should be one)."""
        return exchange(self, request(method, path, body, headers, host), timeout)


def request(method, path, body=None, headers=(), host="127.0.0.1"):
    head = "%s %s HTTP/1.1\r\n" % (method, path)
    if host is not None:
        head += "Host: %s\r\n" % host
    for name, value in headers:
        head += "%s: %s\r\n" % (name, value)
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    if body is not None:
        head += "Content-Length: %d\r\nContent-Type: application/json\r\n" % len(data)
    return head.encode() + b"\r\n" + data


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


def read_all(s, seconds=10, enough=None):
    """All bytes until the other side closes, time is over, or there are enough; and whether it closed."""
    data, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        ready, _, _ = select.select([s], [], [], max(0, until - time.monotonic()))
        if not ready:
            break
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data, True
        if not part:
            return data, True
        data += part
        if enough and enough(data):
            break
    return data, False


def parse(data):
    """All replies in the bytes; leftovers are an error."""
    replies = []
    while data:
        head, sep, rest = data.partition(b"\r\n\r\n")
        if not sep or not head.startswith(b"HTTP/1."):
            raise ValueError("no reply: %r" % data[:200])
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        found = {n.lower(): v for n, v in headers}
        if status == 100:
            data = rest
            continue
        if "chunked" in found.get("transfer-encoding", ""):
            body = b""
            while True:
                size, sep, rest = rest.partition(b"\r\n")
                if not sep:
                    raise ValueError("a chunk is missing")
                n = int(size, 16)
                body, rest = body + rest[:n], rest[n:]
                if rest[:2] != b"\r\n":
                    raise ValueError("a chunk is cut")
                rest = rest[2:]
                if n == 0:
                    break
        else:
            n = int(found.get("content-length", len(rest)))
            if status in (204, 304):
                n = 0
            if len(rest) < n:
                raise ValueError("the body is cut: %d of %d" % (len(rest), n))
            body, rest = rest[:n], rest[n:]
        replies.append(Reply(status, headers, body))
        data = rest
    return replies


def complete(data):
    try:
        return len(parse(data)) > 0
    except ValueError:
        return False


def exchange(server, data, timeout=10):
    with server.connect(timeout) as s:
        s.sendall(data)
        return parse(read_all(s, timeout, complete)[0])


def wait_until(what, seconds=5):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.01)
    return False


class TooLate(AssertionError):
    """Something took longer than it may."""


def in_time(seconds, limit, what=""):
    if seconds > limit:
        raise TooLate("%.0f ms, at most %.0f: %s" % (seconds * 1e3, limit * 1e3, what))


def patiently(test, rounds=3):
    """The machine may be busy with others for a moment: what is too late three times is too late."""
    for _ in range(rounds - 1):
        try:
            return test()
        except TooLate as late:
            print("# once more: %s" % late, flush=True)
    return test()


def main(tests):
    """Runs the functions; each is a line of TAP. One that returns text is skipped, and says why."""
    only = sys.argv[1:]
    tests = [t for t in tests if not only or t.__name__ in only]
    print("1..%d" % len(tests), flush=True)
    failed = 0
    for i, test in enumerate(tests, 1):
        name = (test.__doc__ or test.__name__).strip().split("\n")[0].replace("#", "")
        try:
            skipped = patiently(test)
            print("ok %d %s%s" % (i, name, " # SKIP " + skipped if skipped else ""), flush=True)
        except Exception:
            failed += 1
            print("not ok %d %s" % (i, name), flush=True)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
    sys.exit(1 if failed else 0)
