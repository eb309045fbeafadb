"""HTTP that is not quite HTTP: rows H-03 to H-06, H-09, M5, N1, N3 of the list of what servers got wrong."""
import json
import os
import random
import re
import socket
import time

from raw import Server, complete, exchange, in_time, main, parse, read_all, request, wait_until

GOOD = request("POST", "/test/echo/a%2Fb/c", {"a": 1})


def status_of(data):
    # What libmicrohttpd 0.9.75 refuses by itself (a Content-Length that is no number) has its head twice; the connection ends behind it.
    head, sep, rest = data.partition(b"\r\n\r\n")
    if sep and rest.startswith(head + sep):
        data = rest
    replies = parse(data)
    assert len(replies) <= 1, "two replies: %r" % data
    return replies[0].status if replies else 0


def refuse(server, data, statuses, closes=True, seconds=3):
    """One refusal at most, and then the connection ends: nothing that follows in the same bytes is answered."""
    with server.connect() as s:
        try:
            s.sendall(data + b"GET /test/counts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass
        got, closed = read_all(s, seconds)
        status = status_of(got)
        assert status in statuses, "%r gave %d: %r" % (data[:100], status, got[:300])
        assert closed or not closes, "%r: the connection stays" % data[:100]
        return got


def end_sending(s):
    try:
        s.shutdown(socket.SHUT_WR)
    except OSError: # refused at its first bytes, and the connection is gone already
        pass


def plain():
    """a request and its reply, twice on a connection"""
    with Server() as server, server.connect() as s:
        for _ in range(2):
            s.sendall(GOOD)
            reply = parse(read_all(s, 20, complete)[0])[0]
            assert reply.status == 200, reply.body
            got = json.loads(reply.body)
            assert got["body"] == {"a": 1} and got["capture"] == "a/b/c", got
            assert reply.header("Server") == "suan" and reply.header("X-Content-Type-Options") == "nosniff"
            assert re.fullmatch("req_[0-9A-Za-z]{24}", reply.header("x-request-id"))


def forgotten():
    """a handler that does not reply is a 500, not a connection that hangs"""
    with Server() as server:
        assert server.ask("POST", "/test/forget", {})[0].status == 500
        assert server.ask("POST", "/test/nothing", {})[0].status == 404
        reply = server.ask("DELETE", "/test/counts")[0]
        assert reply.status == 405, reply.status


def h03_bodies():
    """H-03: bodies without end: 413 and close, whatever way they come, and memory stays"""
    with Server("max_body=100000") as server:
        assert server.ask("POST", "/test/echo/x", b'{"a": "' + b"x" * 99000 + b'"}')[0].status == 200
        before = server.counts()["rss"]
        head = b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\n"
        for extra in (b"Content-Length: 100001\r\n\r\n", b"Content-Length: 18446744073709551615\r\n\r\n"):
            with server.connect() as s:
                s.sendall(head + extra)
                got, closed = read_all(s, 5)
                assert status_of(got) == 413 and closed, got
        assert wait_until(lambda: sorted(json.loads(line)["status"] for line in server.log_lines() if b'"POST"' in line) == [200, 413, 413]), server.log_lines()
        # without end, in large chunks and in chunks of one byte
        for chunk in (b"10000\r\n" + b"x" * 65536 + b"\r\n", b"1\r\nx\r\n" * 1000):
            with server.connect() as s:
                s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
                start = time.monotonic()
                try:
                    while time.monotonic() < start + 8:
                        s.sendall(chunk)
                    raise AssertionError("it is still taken")
                except (ConnectionResetError, BrokenPipeError, socket.timeout):
                    pass
            with server.connect() as s: # a client that looks at the reply while it sends
                s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (3 if len(chunk) > 60000 else 120))
                got, closed = read_all(s, 5)
                assert status_of(got) == 413, got
        # a chunk's size that overflows, and an extension without end
        refuse(server, head + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nxx", (0, 400, 413), closes=False, seconds=0.5)
        refuse(server, head + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nxx", (0, 400, 413))
        refuse(server, head + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nxx", (0, 400))
        with server.connect() as s:
            s.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5;")
            try:
                for _ in range(16384): # 1 GiB
                    s.sendall(b"x" * 65536)
                raise AssertionError("all of it was taken")
            except (ConnectionResetError, BrokenPipeError, socket.timeout):
                pass
        grown = server.counts()["rss"] - before
        if "SANITIZED" not in os.environ:
            assert grown < 8 << 20, "memory grew by %d" % grown


def expect():
    """Expect: 100-continue: the refusal comes before the body"""
    with Server("max_body=1000") as server, server.connect() as s:
        s.sendall(b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
        got, closed = read_all(s, 5)
        assert status_of(got) == 413 and closed and b"100 Continue" not in got, got
        with server.connect() as t:
            t.sendall(b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            got, _ = read_all(t, 1, lambda d: b"\r\n\r\n" in d)
            assert b" 100 " in got, got
            t.sendall(b"{}")
            assert b" 200 " in read_all(t, 5, lambda d: b" 200 " in d)[0]
        refuse(server, b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n{}", (400, 417))


SMUGGLING = [
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    (b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"),
    (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    (b"Content-Length: 2, 2\r\n", b"{}"),
    (b"Content-Length: +2\r\n", b"{}"),
    (b"Content-Length: -2\r\n", b"{}"),
    (b"Content-Length: 0x2\r\n", b"{}"),
    (b"Content-Length: 2 2\r\n", b"{}"),
    (b"Content-Length: \r\n", b"{}"),
    (b"Content-Length: 99999999999999999999\r\n", b"{}"),
    (b"Content-Length : 2\r\n", b"{}"),
    (b"Content-Length\t: 2\r\n", b"{}"),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: identity\r\n", b""),
    (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    (b"Content-Length: 1\r\n 0\r\n", b"{}"),
    (b"", b""),
    (b" Content-Length: 2\r\n", b"{}"),
    (b"Bad Name: 2\r\n", b""),
    (b": empty\r\n", b""),
    (b"NoColon\r\n", b""),
    (b"Host: 127.0.0.1\r\nContent-Length: 2\r\n", b"{}"),
    (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"{}"),
]


def h04_smuggling():
    """H-04: requests whose end two readers could see differently: one refusal, and the connection ends"""
    with Server("header=2", "body=2") as server:
        for headers, body in SMUGGLING:
            refuse(server, b"POST /test/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n" + body, (0, 400, 411, 413, 415))
        for method in (b"GET", b"HEAD", b"OPTIONS"):
            for extra in (b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
                data = method + b" /test/counts HTTP/1.1\r\nHost: 127.0.0.1\r\n" + extra
                with server.connect() as s:
                    s.sendall(data + b"GET /test/counts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    got, closed = read_all(s, 3)
                    assert closed and got.count(b"HTTP/1.1 ") == 1 and b" 400 " in got, got


def h04_lines():
    """H-04: bare LF and CR, folded headers: never a reply that a strict reader would not have asked for"""
    with Server("header=2", "body=2") as server:
        # libmicrohttpd takes LF for CRLF and joins folded lines: such a request gets its one reply, and what follows it is what it says.
        for data in (
            b"GET /test/counts HTTP/1.1\nHost: 127.0.0.1\n\n",
            b"GET /test/counts HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
            b"POST /test/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n Content-Length: 100\r\nContent-Length: 2\r\n\r\n{}",
            b"POST /test/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n 0\r\n\r\n{}",
            b"POST /test/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"GET /test/counts HTTP/1.1\rHost: 127.0.0.1\r\r",
            b"GET /test/counts HTTP/1.1\r\nHost: 127.0.0.1\rX: y\r\n\r\n",
            b"POST /test/echo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
            b"GET /test/counts HTTP/1.1\r\n\tHost: 127.0.0.1\r\n\r\n",
        ):
            with server.connect() as s:
                s.sendall(data)
                end_sending(s)
                got, _ = read_all(s, 3)
                assert got.count(b"HTTP/1.1 ") <= 1, got  # a client that has closed its half may be taken for gone: the reply may be cut


def h04_lines_start():
    """H-04: request lines that are none"""
    with Server("header=2") as server:
        tail = b"\r\nHost: 127.0.0.1\r\n\r\n"
        for line in (b"GET /test/counts", b"GET /test/counts HTTP/3.0", b"GET /test/counts HTTP/1.1 x",
                     b"get /test/counts HTTP/1.1", b"GET test/counts HTTP/1.1", b"GET http://127.0.0.1/test/counts HTTP/1.1", b"\x16\x03\x01\x02\x00",
                     b"GET /test/counts%00 HTTP/1.1", b"GET /test/counts%zz HTTP/1.1", b"GET /test/counts%2 HTTP/1.1",
                     b"GET /test\\counts HTTP/1.1", b"GET /test/counts#x HTTP/1.1", b"GET /test/\xc3\xa4 HTTP/1.1", b"GET * HTTP/1.1", b"CONNECT x:1 HTTP/1.1",
                     b"GET //test/counts HTTP/1.1", b"GET /test/./counts HTTP/1.1", b"GET /test/x/../counts HTTP/1.1", b"GET /test/counts/ HTTP/1.1",
                     b"GET /TEST/counts HTTP/1.1", b"GET /test%2Fcounts HTTP/1.1", b"TRACE / HTTP/1.1"):
            with server.connect() as s:
                s.sendall(line + tail)
                got, _ = read_all(s, 3, complete)
                assert not got.startswith(b"HTTP/1.1 2"), (line, got)
                assert status_of(got) in (0, 400, 404, 405, 505), (line, got)


def h05_headers():
    """H-05: a header of 64 KiB, 10,000 headers, a long address: 431 and 414, and the connection ends"""
    with Server() as server:
        head = b"GET /test/counts HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for data, statuses in ((head + b"X: " + b"y" * 65536 + b"\r\n\r\n", (431,)),
                               (head + b"".join(b"X%d: y\r\n" % i for i in range(10000)) + b"\r\n", (431,)),
                               (head + b"".join(b"X%d: y\r\n" % i for i in range(101)) + b"\r\n", (431,)),
                               (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (414,)),
                               (b"GET /" + b"x" * 65536 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (414, 431))):
            with server.connect() as s:
                try:
                    s.sendall(data)
                except (ConnectionResetError, BrokenPipeError):
                    pass
                got, closed = read_all(s, 5)
                assert closed and (not got or status_of(got) in statuses), (data[:60], got[:200])
        with server.connect() as s:
            s.sendall(head + b"".join(b"X%d: y\r\n" % i for i in range(90)) + b"\r\n")
            assert status_of(read_all(s, 20, complete)[0]) == 200


def m05_json():
    """M5, N3: JSON that is deep, doubled, not UTF-8, out of range: 400 at once"""
    with Server("max_body=4000000") as server:
        bad = [b"", b"[]", b"1", b"null", b"{", b"{}x", b'{"a":1,"a":2}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"a":NaN}',
               b'{"a":Infinity}', b'{"a":1e400}', b'{"a":99999999999999999999}', b'{"a":01}', b'{"a":+1}', b"{'a':1}", b'{"a":1,}', b'\xef\xbb\xbf{}',
               b"[" * (1 << 20), b'{"a":' * (1 << 18), b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", b'{"\\u0000":1}', b'{"a":"' + b"\x01" + b'"}', b"\x00{}"]
        for body in bad:
            start = time.monotonic()
            reply = server.ask("POST", "/test/echo/x", body)[0]
            took = time.monotonic() - start
            assert reply.status == 400, (body[:50], reply.status, reply.body[:200])
            in_time(took, 0.5, body[:50])
            error = json.loads(reply.body)["error"]
            assert error["code"] == 400 and error["message"], error
        assert server.ask("POST", "/test/echo/x", b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")[0].status == 200


def lines():
    """U+2028, U+2029 and U+0085 are escaped in replies"""
    with Server() as server:
        text = "a\u2028b\u2029c\u0085d\u00e4\u20ac\U0001f600"
        reply = server.ask("POST", "/test/echo/x", json.dumps({"a": text}, ensure_ascii=False).encode())[0]
        assert json.loads(reply.body)["body"]["a"] == text
        assert b"\\u2028" in reply.body and b"\\u2029" in reply.body and b"\\u0085" in reply.body
        assert "\u00e4\u20ac\U0001f600".encode() in reply.body


def n01_cut():
    """N1: a request that is cut at every byte: no reply but to the whole, and nobody waits"""
    with Server("header=5", "body=5") as server:
        chunked = b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        for data in (GOOD, chunked):
            cut = []
            for n in range(len(data)):
                s = server.connect()
                s.sendall(data[:n])
                end_sending(s)
                cut.append(s)
            for n, s in enumerate(cut):
                got, closed = read_all(s, 4)
                s.close()
                assert closed, (n, data[:n])
                assert b" 200 " not in got, (n, got)
        assert wait_until(lambda: server.counts()["connections"] <= 2)


def n01_split():
    """N1: a request that comes in two parts, split at every byte"""
    with Server() as server:
        chunked = b"POST /test/echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        for data in (GOOD, chunked):
            with server.connect() as s:
                for n in range(1, len(data)):
                    s.sendall(data[:n])
                    time.sleep(0.0005)
                    s.sendall(data[n:])
                    got, _ = read_all(s, 20, complete)
                    assert status_of(got) == 200, (n, got)


def pipelined():
    """requests that come together are answered one by one"""
    with Server() as server, server.connect() as s:
        s.sendall(GOOD * 20)
        got, _ = read_all(s, 5, lambda d: d.count(b"HTTP/1.1 200") == 20 and complete(d))
        assert [r.status for r in parse(got)] == [200] * 20


def n05_versions():
    """N5: HTTP/1.1 and 1.0 are what there is: the beginning of HTTP/2 is refused, an upgrade to it not taken up"""
    with Server() as server:
        refuse(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), (0, 400, 505))
        for version in (b"HTTP/2.0", b"HTTP/3", b"HTTP/9.9"):
            refuse(server, b"GET /test/counts " + version + b"\r\nHost: 127.0.0.1\r\n\r\n", (400, 505))
        with server.connect() as s:
            s.sendall(GOOD.replace(b"\r\n", b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", 1))
            reply = parse(read_all(s, 20, complete)[0])[0]
            assert reply.status == 200 and reply.header("Upgrade") is None, reply.headers


def h09_noise():
    """H-09, N1: 3,000 requests of noise: no crash, no address of memory, no path of this machine in any reply"""
    rng = random.Random(9)
    leak = re.compile(rb"0x[0-9a-fA-F]{6,}|/(?:home|root|work|tmp|usr|var|proc|etc)/")
    drawn = re.compile(rb"\breq_[0-9A-Za-z]{24}\b") # a request's id is drawn at random: one in some hundred thousand looks like an address
    with Server("header=1", "body=1") as server:
        def noise():
            data = bytearray(GOOD)
            for _ in range(rng.randint(1, 6)):
                i = rng.randrange(len(data))
                kind = rng.random()
                if kind < 0.4:
                    data[i] = rng.randrange(256)
                elif kind < 0.6:
                    del data[i:i + rng.randint(1, 8)]
                elif kind < 0.8:
                    data[i:i] = bytes(rng.choice([b"\r\n", b"\n", b" ", b":", b"%00", b"\x00", b"{", b"\xff", b"0"]))
                else:
                    data[i:i] = data[rng.randrange(len(data)):][:20]
                if not data:
                    data = bytearray(b"x")
            return bytes(data)
        for _ in range(10):
            sockets = []
            for _ in range(300):
                s = server.connect()
                s.sendall(noise())
                end_sending(s)
                sockets.append(s)
            for s in sockets:
                got, _ = read_all(s, 3)
                s.close()
                assert not leak.search(drawn.sub(b"", got)), got
        assert server.ask("GET", "/test/counts")[0].status == 200


main([plain, forgotten, h03_bodies, expect, h04_smuggling, h04_lines, h04_lines_start, h05_headers, m05_json, lines, n01_cut, n01_split, pipelined, n05_versions, h09_noise])
