"""Clients that leave, are slow, or many: rows O3 to O5, O7, O8, M10 of the list of what servers got wrong."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

from raw import Server, complete, exchange, in_time, main, parse, read_all, request, wait_until

SLOW = 5 if "SANITIZED" in os.environ else 1


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def o03_leave():
    """O3: a client that leaves is noticed within 100 ms: by FIN and RST, waiting, streaming or not, before the first byte and behind it"""
    with Server() as server:
        worst = 0
        for end in (lambda s: s.close(), reset, lambda s: s.shutdown(socket.SHUT_WR)):
            for path, reads in (("/test/work?stream=0&wait=60000", False), ("/test/work?wait=60000", True), ("/test/work?writes=100000&ms=20", True),
                                ("/test/work?writes=1000000&size=2000", True), ("/test/work?stream=1&wait=60000", False)):
                gone = server.counts()["gone"]
                s = server.connect()
                s.sendall(request("POST", path, {}))
                assert wait_until(lambda: server.counts()["work"] == 1)
                if reads:
                    s.recv(1000)
                start = time.monotonic()
                end(s)
                assert wait_until(lambda: server.counts()["gone"] == gone + 1), (path, "nobody noticed")
                worst = max(worst, time.monotonic() - start)
                assert wait_until(lambda: server.counts()["work"] == 0), path
                s.close()
        in_time(worst, 0.1 * SLOW, "the worst until it was noticed")


def o03_queue():
    """O3: so is one that leaves while its request waits for a worker"""
    with Server() as server:
        busy = [server.connect() for _ in range(2)]
        for s in busy:
            s.sendall(request("GET", "/test/block?ms=1500"))
        time.sleep(0.1)
        waiting = [server.connect() for _ in range(4)]
        for s in waiting:
            s.sendall(request("POST", "/test/work?stream=0&wait=60000", {}))
        time.sleep(0.1)
        for s in waiting:
            s.close()
        for s in busy:
            assert b" 200 " in read_all(s, 20, complete)[0]
            s.close()
        assert wait_until(lambda: server.counts()["gone"] == 4)
        assert wait_until(lambda: server.counts()["work"] == 0)


def blocked():
    """two handlers that take long do not keep streams and probes waiting"""
    with Server() as server:
        s = server.connect()
        s.sendall(request("POST", "/test/work?writes=200&ms=10", {}))
        s.recv(1000)
        busy = [server.connect() for _ in range(2)]
        for b in busy:
            b.sendall(request("GET", "/test/block?ms=1500"))
        time.sleep(0.1)
        start = time.monotonic()
        assert server.ask("GET", "/health")[0].status == 200
        in_time(time.monotonic() - start, 0.3 * SLOW)
        worst, last = 0, time.monotonic()
        while time.monotonic() - start < 1:
            assert s.recv(1000)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()
        in_time(worst, 0.2 * SLOW, "the worst gap of the stream")
        for b in busy:
            b.close()
        s.close()


def o04_slow_reader():
    """O4: a reader that is too slow: its writer pauses, memory stays, others notice nothing, and it is dropped in the end"""
    with Server("write=2") as server:
        before = server.counts()
        slow = []
        for _ in range(8):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", server.port))
            s.sendall(request("POST", "/test/work?writes=100000&size=10000", {}))
            slow.append(s)
        assert wait_until(lambda: server.counts()["paused"] >= 8, 10), server.counts()
        for _ in range(5):
            start = time.monotonic()
            assert server.ask("POST", "/test/echo/x", {})[0].status == 200
            in_time(time.monotonic() - start, 0.3 * SLOW)
            for s in slow:
                s.recv(1)
            time.sleep(0.1)
        grown = server.counts()["rss"] - before["rss"]
        if SLOW == 1:
            assert grown < 8 * (4 << 20), "memory grew by %d" % grown
        assert wait_until(lambda: server.counts()["work"] == 0, 10), server.counts()
        for s in slow:
            s.close()


def o04_resume():
    """O4: a reader that pauses and goes on gets every byte"""
    with Server("write=20") as server:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", server.port))
        s.sendall(request("POST", "/test/work?writes=500&size=20000", {}))
        assert wait_until(lambda: server.counts()["paused"] >= 1)
        time.sleep(0.5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        data, _ = read_all(s, 30, lambda d: d.endswith(b"\r\n0\r\n\r\n"))
        body = parse(data)[0].body.decode()
        events = [json.loads(e[6:]) for e in body.split("\n\n") if e and not e.startswith(":")]
        assert [e["i"] for e in events] == list(range(500)) and all(e["text"] == "x" * 20000 for e in events)
        s.close()


def o05_slowloris():
    """O5: heads and bodies that trickle, and connections that idle: closed at their time; 1 byte a second does not help"""
    with Server("header=1", "body=1", "idle=2") as server:
        cases = {
            "nothing": (b"", b"", 1),
            "line": (b"GET /te", b"x", 1),
            "head": (b"GET /test/counts HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n", 1),
            "body": (b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n", b"x", 1),
            "chunks": (b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 1),
        }
        sockets = {}
        for name, (first, _, _) in cases.items():
            sockets[name] = server.connect()
            sockets[name].sendall(first)
        idle = server.connect()
        idle.sendall(request("GET", "/test/counts"))
        read_all(idle, 2, complete)
        ended, start = {}, time.monotonic()
        while len(ended) < len(cases) and time.monotonic() - start < 8:
            time.sleep(0.1)
            for name, (_, more, _) in cases.items():
                if name in ended:
                    continue
                try:
                    if more:
                        sockets[name].sendall(more)
                    sockets[name].setblocking(False)
                    try:
                        if sockets[name].recv(1000) == b"":
                            ended[name] = time.monotonic() - start
                    except BlockingIOError:
                        pass
                    sockets[name].setblocking(True)
                except OSError:
                    ended[name] = time.monotonic() - start
        assert len(ended) == len(cases), ended
        in_time(max(ended.values()), 4 * SLOW, ended)
        data, closed = read_all(idle, 4)
        assert closed and not data


def o05_crowd():
    """O5: 1,000 idle and slow connections, and another client is served as if they were not there"""
    with Server("header=30", "idle=30", "body=30") as server:
        crowd = []
        for i in range(1000):
            s = server.connect()
            kind = i % 4
            if kind == 1:
                s.sendall(b"GET /test/counts HTTP/1.1\r\nHost: loc")
            elif kind == 2:
                s.sendall(b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            elif kind == 3:
                s.sendall(request("POST", "/test/work?wait=60000", {}))
            crowd.append(s)
        # half of what idles trickles on
        took = []
        for i in range(200):
            if i % 10 == 0:
                for s in crowd[1:400:4]:
                    s.sendall(b"x")
            start = time.monotonic()
            assert server.ask("POST", "/test/echo/x", {"i": i})[0].status == 200
            took.append(time.monotonic() - start)
        took.sort()
        in_time(took[197], 0.1 * SLOW, took[-5:])
        for s in crowd:
            s.close()
        assert wait_until(lambda: server.counts()["connections"] <= 2 and server.counts()["work"] == 0, 10), server.counts()


def full():
    """when there is no room, those that only sit there make it; one address has its share"""
    with Server("connections=40", "header=30") as server:
        idle = [server.connect() for _ in range(60)]
        time.sleep(0.2)
        assert server.ask("POST", "/test/echo/x", {})[0].status == 200
        for s in idle:
            s.close()
    with Server("per_address=10", "header=30") as server:
        some = [server.connect() for _ in range(10)]
        time.sleep(0.2)
        with server.connect() as s:
            try:
                s.sendall(request("GET", "/test/counts"))
            except OSError:
                pass
            data, closed = read_all(s, 3)
            assert closed and not data
        for s in some:
            s.close()
        assert wait_until(lambda: exchange(server, request("GET", "/test/counts")))


def keep_alive():
    """a silent stream gets its keep-alive"""
    with Server() as server, server.connect(20) as s:
        s.sendall(request("POST", "/test/work?wait=11500", {}))
        data, _ = read_all(s, 20, complete)
        body = parse(data)[0].body
        assert body.startswith(b": \n\n") and body.count(b": \n\n") == 1 and body.endswith(b"}\n\n"), body


def o08_stop():
    """O8: SIGTERM: a stream goes on to its end, a new request on an old connection is 503, new connections are refused"""
    server = Server()
    s, old = server.connect(), server.connect()
    s.sendall(request("POST", "/test/work?writes=100&ms=10", {}))
    old.sendall(request("GET", "/test/counts"))
    read_all(old, 20, complete)
    s.recv(100)
    server.child.send_signal(signal.SIGTERM)

    def refuses():
        try:
            server.connect(1).close()
        except OSError:
            return True
    assert wait_until(refuses), "it still accepts"
    try:
        old.sendall(request("POST", "/test/echo/x", {}))
        data, closed = read_all(old, 3)
        if data:
            reply = parse(data)[0]
            assert reply.status == 503 and reply.header("Retry-After") and reply.header("Connection") == "close", data
        assert closed
    except OSError:
        pass
    data, _ = read_all(s, 20)
    assert data.count(b"data: ") >= 99 and data.endswith(b"0\r\n\r\n"), data[-100:]
    server.close()


def m10_flat():
    """M10: descriptors and threads are as many behind 3,000 requests as before"""
    def figures(pid):
        return len(os.listdir("/proc/%d/fd" % pid)), len(os.listdir("/proc/%d/task" % pid))
    with Server() as server:
        server.ask("POST", "/test/echo/x", {})
        assert wait_until(lambda: server.counts()["connections"] <= 1)
        time.sleep(0.1)
        before = figures(server.child.pid)
        for _ in range(30):
            with server.connect() as s:
                s.sendall(request("POST", "/test/echo/x", {"a": [1, 2, 3]}) * 50 + request("POST", "/test/work?stream=0", {}) * 50)
                data, _ = read_all(s, 20, lambda d: d.count(b"HTTP/1.1 200") == 100 and complete(d))
                assert len(parse(data)) == 100
        assert wait_until(lambda: figures(server.child.pid) <= before), (before, figures(server.child.pid))


def tls():
    """TLS: a certificate by files; 1.1 is refused; requests, streams, limits and leaving work the same"""
    import ssl
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        cert, key = os.path.join(d, "cert.pem"), os.path.join(d, "key.pem")
        try:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return "there is no openssl"
        with Server("cert=" + cert, "key=" + key, "max_body=10000", "header=2") as server:
            context = ssl.create_default_context(cafile=cert)

            def connect():
                return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 10), server_hostname="localhost")

            def ask(data):
                with connect() as s:
                    s.sendall(data)
                    got = b""
                    while not (got.endswith(b"\r\n0\r\n\r\n") if b": chunked\r\n" in got[:2000] else complete(got)):
                        part = s.recv(65536)
                        if not part:
                            break
                        got += part
                    return parse(got)[0]
            assert ask(request("POST", "/test/echo/x", {"a": 1})).status == 200
            body = ask(request("POST", "/test/work?writes=300&size=10000", {})).body
            assert body.count(b"data: ") == 300
            assert ask(request("POST", "/test/echo/x", b"x" * 20000)).status == 413
            s = connect()
            s.sendall(request("POST", "/test/work?wait=60000", {}))
            assert wait_until(lambda: json.loads(ask(request("GET", "/test/counts")).body)["work"] == 1)
            s.close()
            assert wait_until(lambda: json.loads(ask(request("GET", "/test/counts")).body)["work"] == 0)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            try:
                old.maximum_version = ssl.TLSVersion.TLSv1_1
                old.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 5))
                raise AssertionError("TLS 1.1 is taken")
            except (ssl.SSLError, OSError, ValueError):
                pass
            with socket.create_connection(("127.0.0.1", server.port), 5) as plain:  # HTTP to an HTTPS port, and half a handshake
                plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert not read_all(plain, 5)[0].startswith(b"HTTP")


main([o03_leave, o03_queue, blocked, o04_slow_reader, o04_resume, o05_slowloris, o05_crowd, full, keep_alive, o08_stop, m10_flat, tls])
