"""Who may ask, and what is written down: rows H-06, H-07, H-10, A1 to A10 and L-01 of the list of what servers got wrong."""
import hashlib
import json
import os
import random
import re
import subprocess
import tempfile

from raw import SERVER, Server, exchange, main, parse, read_all, request, wait_until

ALICE, BOB = "sk-test-alice-0123456789abcdef", "sk-test-bob-0123456789abcdefg"


class KeyServer(Server):
    def __init__(self, *options):
        self.keys_dir = tempfile.TemporaryDirectory()
        self.keys = os.path.join(self.keys_dir.name, "keys")
        with open(self.keys, "w") as f:
            f.write("# keys\n\n")
            for name, key in (("alice", ALICE), ("bob", BOB)):
                f.write("%s:%s\n" % (name, hashlib.sha256(key.encode()).hexdigest()))
        os.chmod(self.keys, 0o600)
        super().__init__("keys=" + self.keys, *options)

    def close(self):
        super().close()
        self.keys_dir.cleanup()


def keys():
    """a key is taken as Bearer, x-api-key and x-goog-api-key; its name is known and the key is not"""
    with KeyServer() as server:
        for header in (("Authorization", "Bearer " + ALICE), ("authorization", "bearer  " + ALICE), ("x-api-key", ALICE), ("x-goog-api-key", ALICE)):
            reply = server.ask("POST", "/test/echo/x", {}, [header])[0]
            assert reply.status == 200, (header, reply.body)
            got = json.loads(reply.body)
            assert got["key"] == "alice" and not got.get("authorization"), got
        for headers in ([], [("Authorization", "Bearer " + ALICE[:-1])], [("Authorization", "Bearer " + ALICE + "x")], [("Authorization", ALICE)],
                        [("Authorization", "Basic " + ALICE)], [("Authorization", "Bearer")], [("x-api-key", "")], [("x-api-key", "x" * 8000)],
                        [("Cookie", ALICE)]):
            reply = server.ask("POST", "/test/echo/x", {}, headers)[0]
            assert reply.status == 401 and reply.header("WWW-Authenticate") == "Bearer", (headers, reply.status)
        assert server.ask("POST", "/test/echo/x?key=" + ALICE, {})[0].status == 401  # only the interface that sends it there
        two = [("Authorization", "Bearer " + ALICE), ("Authorization", "Bearer " + BOB)]
        assert server.ask("POST", "/test/echo/x", {}, two)[0].status == 400


def routes():
    return [line.split(" ") for line in subprocess.run([SERVER, "routes"], capture_output=True, text=True, check=True).stdout.splitlines()]


PUBLIC = {"/", "/page/{*}", "/health", "/ready"}


def h07_table():
    """H-07, A2: every route of the table but the public ones is 401 without a key"""
    rows = routes()
    assert len(rows) > 25, len(rows)
    with KeyServer() as server:
        for method, path, flags, dialect in rows:
            public = bool(int(flags) & 1)
            assert public == (path in PUBLIC), "%s %s is public, and not on the list" % (method, path)
            where = path.replace("{*}", "x").replace("{}", "x")
            body = {} if method in ("POST", "PUT", "PATCH") else None
            for headers in ([], [("anthropic-version", "1")], [("x-goog-api-client", "x")]):
                if method == "HEAD":
                    with server.connect() as s:
                        s.sendall(request(method, where, None, headers))
                        status = int(read_all(s, 5, lambda d: b"\r\n\r\n" in d)[0].split(b" ")[1])
                    assert (status == 401) == (not public), (method, path, status)
                    continue
                reply = server.ask(method, where, body, headers)[0]
                assert (reply.status == 401) == (not public), (method, path, reply.status)
                if not public:
                    json.loads(reply.body)


def h06_host():
    """H-06: Host and path as they like: nothing is 2xx without a key"""
    rng = random.Random(6)
    hosts = ["127.0.0.1", "localhost", "x/?", "localhost/health?", "127.0.0.1:80/health", "", "a b", "localhost#", "[::1]", "[::1", "localhost:99999999", "/health",
             "127.0.0.1?x=", "user@localhost", "localhost\\", "%6cocalhost", "localhost.", "LOCALHOST:80"]
    paths = ["/test/echo/x", "/health/../test/echo/x", "/test/echo/x?/health", "//test/echo/x", "/page/../test/echo/x", "/test/echo/x;/health",
             "/page/%2e%2e/test/echo/x", "/page%2F..%2Ftest/echo/x", "/health%00/test/echo/x", "/health/", "/HEALTH", "/page/..%2ftest%2fecho%2fx", "/.//test/echo/x", "/health#",
             "http://localhost/health", "/metrics", "/%6detrics", "/live", "/v1/models", "/metrics?/health"]
    with KeyServer() as server:
        for _ in range(600):
            host, path = rng.choice(hosts), rng.choice(paths)
            method = rng.choice(["GET", "POST", "HEAD"])
            data = request(method, path, b"{}" if method == "POST" else None, [], host)
            with server.connect() as s:
                s.sendall(data)
                got, _ = read_all(s, 3, lambda d: b"\r\n\r\n" in d)
            assert not got.startswith(b"HTTP/1.1 2"), (method, host, path, got)


def h10_host():
    """H-10, A4: on loopback Host is this machine or a name that was allowed; else 403, malformed 400, twice or none 400"""
    with Server("host=llm.example") as server:
        port = server.port
        for host, status in (("localhost", 200), ("127.0.0.1", 200), ("[::1]", 200), ("localhost:%d" % port, 200), ("LocalHost", 200), ("llm.example:80", 200),
                             ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403), ("10.0.0.1", 403), ("127.0.0.2", 403),
                             ("llm.example.", 403), ("0.0.0.0", 403), ("x/?", 400), ("[::1", 400), ("localhost:x", 400), ("localhost:80:80", 400), ("a b", 400), ("", 400),
                             ("localhost/", 400), (None, 400)):
            reply = server.ask("GET", "/test/counts", host=host)[0]
            assert reply.status == status, (host, reply.status)


def h10_origin():
    """H-10, A4: what changes something is not taken from another origin; CORS only for those that are named"""
    with Server("origin=https://chat.example") as server:
        here = "http://127.0.0.1:%d" % server.port
        host = "127.0.0.1:%d" % server.port
        for origin, status, cors in ((here, 200, False), ("https://chat.example", 200, True), ("https://evil.example", 403, False), ("null", 403, False),
                                     ("http://127.0.0.1:1", 403, False), ("https://chat.example.evil", 403, False), ("http://chat.example", 403, False), ("", 403, False)):
            reply = server.ask("POST", "/test/echo/x", {}, [("Origin", origin)], host)[0]
            assert reply.status == status, (origin, reply.status)
            assert (reply.header("Access-Control-Allow-Origin") is not None) == cors, origin
            pre = server.ask("OPTIONS", "/test/echo/x", None, [("Origin", origin), ("Access-Control-Request-Method", "POST"),
                                                               ("Access-Control-Request-Headers", "content-type,x-api-key")], host)[0]
            assert (pre.header("Access-Control-Allow-Methods") is not None) == cors, (origin, pre.status)
        reply = server.ask("GET", "/test/counts", None, [("Origin", "https://evil.example")], host)[0]
        assert reply.status == 200 and reply.header("Access-Control-Allow-Origin") is None
    with Server() as server:
        reply = server.ask("OPTIONS", "/test/echo/x", None, [("Origin", "https://chat.example"), ("Access-Control-Request-Method", "POST")])[0]
        assert reply.header("Access-Control-Allow-Origin") is None and reply.header("Access-Control-Allow-Methods") is None


def a07_log():
    """A6, A7, L-01: whatever is sent, each line of the log is JSON, has no control characters, no key and no prompt"""
    with KeyServer() as server:
        secret = "prompt-that-nobody-may-see"
        for text in ("\u2028", "\x1b[2J", "a\r\nb", "\u0085", "\u202e", "\"}\n{\"x\":1"):
            server.ask("POST", "/test/echo/x", {"model": text, "prompt": secret}, [("x-api-key", BOB)])
        for path in ("/%1b[2Jx", "/%0d%0aSet-Cookie:x", "/test/echo/%e2%80%a8", "/\"},{\"", "/test/echo/x?key=" + BOB, "/" + secret):
            server.ask("POST", path, {}, [("x-api-key", BOB)])
        for value in (b"a\x1b[31mb", b"\xff\xfe", b"\xe2\x80\xa8"):
            with server.connect() as s:
                s.sendall(b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + value + b"\r\nContent-Length: 2\r\n\r\n{}")
                read_all(s, 2, lambda d: b"\r\n\r\n" in d)
        assert wait_until(lambda: len(server.log_lines()) >= 15)
        lines = server.log_lines()
        for line in lines:
            assert not re.search(rb"[\x00-\x1f\x7f]", line), line
            row = json.loads(line)
            assert row["time"] and row["event"]
            for word in (BOB, ALICE, secret):
                assert word.encode() not in line, line
        assert any(json.loads(line).get("key") == "bob" for line in lines)
        metrics = server.ask("GET", "/metrics", None, [("x-api-key", ALICE)])[0].body
        assert BOB.encode() not in metrics and secret.encode() not in metrics


def a08_labels():
    """A8: thousands of paths and names: the metrics do not grow"""
    with Server() as server:
        def sweep():
            for i in range(300):
                with server.connect() as s:
                    s.sendall(b"".join(request("POST", "/test/p%d/%d" % (i, k), {"model": "m%d" % i}) for k in range(10)))
                    read_all(s, 5, lambda d: d.count(b"HTTP/1.1 404") == 10)
        sweep()
        first = server.ask("GET", "/metrics")[0].body
        sweep()
        second = server.ask("GET", "/metrics")[0].body
        assert abs(len(second) - len(first)) < 100, (len(first), len(second))
        text = second.decode()
        for line in text.splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? -?[0-9.e+]+", line), line
        assert 'suan_requests_total{method="",route="none",interface="",status="404"} 6000' in text, text[:600]
        assert "suan_request_duration_seconds_bucket" in text and "process_resident_memory_bytes" in text


def a05_file():
    """A5: a keys file that others can read, that is torn or has a name twice is refused"""
    good = "a:" + "0" * 64 + "\n"
    for text, mode, works in ((good, 0o600, True), (good, 0o400, True), (good, 0o640, False), (good, 0o604, False), (good, 0o620, False), ("a:" + "0" * 63 + "\n", 0o600, False),
                              ("a:" + "g" * 64, 0o600, False), (good + good, 0o600, False), ("a b:" + "0" * 64, 0o600, False), ("nothing", 0o600, False), ("", 0o600, True)):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
            f.write(text)
            f.flush()
            os.chmod(f.name, mode)
            r = subprocess.run([SERVER, "keys=" + f.name], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
            assert (r.returncode == 0) == works, (text, oct(mode), r.returncode, r.stderr)


main([keys, h07_table, h06_host, h10_host, h10_origin, a07_log, a08_labels, a05_file])
