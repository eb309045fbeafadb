"""suan serve itself, with the model that ships with it: rows L-01, A1, A10, O1, O3, O6 to O11, I7, H-02, H-09, H-11, R-04, and what a service manager and an operator see."""
import contextlib
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

from raw import SUAN, Server, complete, exchange, main, parse, read_all, request, wait_until

CHAT = {"model": "seed", "messages": [{"role": "user", "content": "Tell me a story."}], "temperature": 0}

LONG = dict(CHAT, stream=True, max_tokens=400, n=8, logit_bias={"1": -100})


class Program(Server):
    """suan serve with options, as a Server to ask."""

    def __init__(self, *options, env=None, wait=True, port=None, **popen):
        self.dir = tempfile.TemporaryDirectory()
        self.state = os.path.join(self.dir.name, "state")
        os.mkdir(self.state, 0o700)
        self.log = os.path.join(self.dir.name, "log")
        self.env = dict(os.environ, STATE_DIRECTORY=self.state, **(env or {}))
        self.env.pop("SUAN_API_KEY", None) if not (env and "SUAN_API_KEY" in env) else None
        self.out = open(os.path.join(self.dir.name, "out"), "w+")
        self.port = port or free_port()
        if port is None:
            options = ("--port", str(self.port)) + options
        self.child = subprocess.Popen([SUAN, "serve", "--log-file", self.log, *options], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out, env=self.env, **popen)
        if wait and not wait_until(self.is_ready, 30):
            raise RuntimeError("not ready: " + self.text())

    def is_ready(self):
        try:
            return self.child.poll() is None and self.ask("GET", "/ready", timeout=1)[0].status == 200
        except (OSError, ValueError, IndexError):
            return False

    def text(self):
        with open(self.out.name) as f:
            return f.read()

    def stop(self, which=signal.SIGTERM, seconds=20):
        self.child.send_signal(which)
        return self.child.wait(seconds)

    def close(self):
        status, text = self.stop() if self.child.poll() is None else 0, self.text()
        self.out.close()
        self.dir.cleanup()
        if status != 0:
            raise RuntimeError("it ended with %d: %s" % (status, text[-2000:]))

    def chat(self, headers=(), **more):
        return self.ask("POST", "/v1/chat/completions", dict(CHAT, **more), headers, timeout=60)[0]

    def live(self, headers=()):
        return json.loads(self.ask("GET", "/live", None, headers)[0].body)["requests"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers():
    """it answers, whole and as a stream with the same text; the log and the metrics have the tokens"""
    with Program() as p:
        reply = p.chat(max_tokens=20)
        assert reply.status == 200, reply.body
        got = json.loads(reply.body)
        text = got["choices"][0]["message"]["content"]
        stream = p.chat(max_tokens=20, stream=True).body.decode()
        parts = [json.loads(e[6:]) for e in stream.split("\n\n") if e.startswith("data: {")]
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in parts if c["choices"]) == text
        assert stream.endswith("data: [DONE]\n\n")
        assert wait_until(lambda: len([l for l in p.log_lines() if b"completion_tokens" in l]) == 2)
        row = json.loads([l for l in p.log_lines() if b"completion_tokens" in l][0])
        assert row["completion_tokens"] == got["usage"]["completion_tokens"] and row["route"] == "/v1/chat/completions", row
        metrics = p.ask("GET", "/metrics")[0].body.decode()
        assert "suan_completion_tokens_total %d" % (2 * got["usage"]["completion_tokens"]) in metrics
        assert "suan_time_to_first_token_seconds_count 2" in metrics
        for name in ("suan_queue_depth", "suan_active_requests", 'suan_cache_pages{state="free"}', "suan_time_per_output_token_seconds_bucket", "process_start_time_seconds"):
            assert name in metrics, name
        live = json.loads(p.ask("GET", "/live")[0].body)
        assert live["context"] == 512 and live["memory"]["weights_bytes"] > 1e6 and len(live["experts"]["use"]) == live["experts"]["n_layer"]
        assert sum(map(sum, live["experts"]["use"])) > 0
        drawn = {json.loads(p.chat(max_tokens=20, temperature=1.5).body)["choices"][0]["message"]["content"] for _ in range(3)}
        assert len(drawn) == 3, "requests without a seed answer alike"
        assert json.loads(p.ask("GET", "/health")[0].body)["status"] == "ok"
        assert json.loads(p.ask("GET", "/health?probe=1")[0].body)["probe_seconds"] > 0
        page = p.ask("GET", "/")[0]
        assert page.status == 200 and "script-src" in page.header("Content-Security-Policy") and p.ask("GET", "/", None, [("If-None-Match", page.header("ETag"))])[0].status == 304


def o03_leave():
    """O3: a client that leaves in the queue, in the prompt or in the answer frees its place at once"""
    with Program("--parallel", "2") as p:
        for stream in (False, True):
            long = request("POST", "/v1/chat/completions", dict(CHAT, stream=stream, messages=[{"role": "user", "content": "a b c d " * 50}]))
            sockets = [p.connect() for _ in range(6)]
            for s in sockets:
                s.sendall(long)
            time.sleep(0.05)
            start = time.monotonic()
            for s in sockets:
                s.close()
            assert wait_until(lambda: p.live() == {"active": 0, "queued": 0}), p.live()
            assert time.monotonic() - start < (5 if "SANITIZED" in os.environ else 1)


def a01_bind():
    """A1: loopback by default; beyond it not without a key; on a terminal one is made, shown once, and works"""
    with Program() as p:
        ports = []
        for name in ("tcp", "tcp6"):
            with open("/proc/%d/net/%s" % (p.child.pid, name)) as f:
                ports += [l.split()[1] for l in f.readlines()[1:] if l.split()[3] == "0A" and l.split()[1].endswith(":%04X" % p.port)]
        assert ports == ["0100007F:%04X" % p.port], ports
    with tempfile.TemporaryDirectory() as d:
        env = dict(os.environ, STATE_DIRECTORY=d)
        env.pop("SUAN_API_KEY", None)
        r = subprocess.run([SUAN, "serve", "--host", "0.0.0.0", "--port", "0"], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
        assert r.returncode == 1 and "suan key add" in r.stderr, r
        assert not os.path.exists(os.path.join(d, "keys"))
        r = subprocess.run([SUAN, "serve", "--host", "0.0.0.0", "--port", "0", "--keys", "none"], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
        assert r.returncode == 1, r
        port, (pid, fd) = free_port(), pty.fork()
        if pid == 0:
            os.execve(SUAN, [SUAN, "serve", "--host", "0.0.0.0", "--port", str(port), "--log-file", os.path.join(d, "log")], env)
        seen = b""
        until = time.monotonic() + 30
        while b"/v1/chat" not in seen and time.monotonic() < until:
            if select.select([fd], [], [], 0.2)[0]:
                seen += os.read(fd, 10000)
        key = re.search(rb"sk-suan-[0-9A-Za-z]{40}", seen)
        assert key, seen
        key = key.group().decode()
        with open(os.path.join(d, "keys")) as f:
            assert hashlib.sha256(key.encode()).hexdigest() in f.read()
        assert os.stat(os.path.join(d, "keys")).st_mode & 0o777 == 0o600

        class Here:
            def connect(self, timeout):
                return socket.create_connection(("127.0.0.1", port), timeout)
        for headers, status in (([], 401), ([("Authorization", "Bearer " + key)], 200), ([("x-api-key", "sk-suan-" + "0" * 40)], 401)):
            assert exchange(Here(), request("GET", "/v1/models", None, headers))[0].status == status, headers
        os.kill(pid, signal.SIGTERM)
        while select.select([fd], [], [], 10)[0]:
            try:
                if not os.read(fd, 10000):
                    break
            except OSError:
                break
        assert os.waitpid(pid, 0)[1] == 0
        os.close(fd)


def l01_secrets():
    """L-01, A5, A10: a key is in no output, log, metrics, error, argv or environment, and the process cannot be dumped"""
    key, prompt = "sk-secret-0123456789-abcdefghij", "prompt-nobody-may-see"
    with Program(env={"SUAN_API_KEY": key}) as p:
        assert p.chat([("Authorization", "Bearer " + key)], max_tokens=2, messages=[{"role": "user", "content": prompt}]).status == 200
        bodies = [p.chat().body, p.chat([("Authorization", "Bearer " + key[:-1])]).body, p.chat([("x-api-key", key)], model=key).body,
                  p.ask("GET", "/metrics", None, [("x-api-key", key)])[0].body]
        time.sleep(0.2)
        with open("/proc/%d/cmdline" % p.child.pid, "rb") as f:
            bodies.append(f.read())
        try:
            with open("/proc/%d/environ" % p.child.pid, "rb") as f:
                bodies.append(f.read())
        except PermissionError:
            pass
        where = p.text().encode() + b"\n".join(p.log_lines())
        assert key.encode() not in where and prompt.encode() not in where
        for body in (bodies[0], bodies[1], *bodies[3:]):
            assert key.encode() not in body, body[:500]
        # not dumpable: what is in /proc belongs to root then
        if os.getuid() != 0:
            assert not os.access("/proc/%d/mem" % p.child.pid, os.R_OK)
        else:
            assert os.stat("/proc/%d/mem" % p.child.pid).st_uid == 0
    with Program("--log-prompts") as p:
        p.chat(max_tokens=2, messages=[{"role": "user", "content": prompt}])
        assert wait_until(lambda: prompt.encode() in b"\n".join(p.log_lines()))


def reload_keys():
    """suan key makes, lists and removes keys; SIGHUP reads them anew; a torn file changes nothing"""
    with tempfile.TemporaryDirectory() as d:
        file = os.path.join(d, "keys")

        def key(*words):
            return subprocess.run([SUAN, "key", *words, "--keys", file], capture_output=True, text=True, timeout=20)
        first = key("add", "first").stdout.strip()
        assert re.fullmatch(r"sk-suan-[0-9A-Za-z]{40}", first) and key("add", "first").returncode == 1 and key("add", "a b").returncode == 1
        with Program("--keys", file, wait=False) as p:
            auth = [("Authorization", "Bearer " + first)]
            assert wait_until(lambda: p.is_ready(), 30) and p.ask("GET", "/v1/models", None, auth)[0].status == 200
            second = key("add", "second").stdout.strip()
            assert key("list").stdout == "first\nsecond\n" and key("remove", "first").returncode == 0 and key("remove", "first").returncode == 1
            p.child.send_signal(signal.SIGHUP)
            assert wait_until(lambda: p.ask("GET", "/v1/models", None, auth)[0].status == 401)
            assert p.ask("GET", "/v1/models", None, [("x-api-key", second)])[0].status == 200
            with open(file, "a") as f:
                f.write("torn:12\n")
            p.child.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            assert p.ask("GET", "/v1/models", None, [("x-api-key", second)])[0].status == 200


def reload_certificate():
    """N5, SIGHUP: TLS, and no HTTP/2 in it; connections that begin afterwards get the new certificate, open ones go on; files that do not belong together change nothing"""
    import ssl
    with tempfile.TemporaryDirectory() as d:
        cert, key = os.path.join(d, "cert.pem"), os.path.join(d, "key.pem")

        def make(name, cert=cert, key=key):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=" + name], check=True,
                           capture_output=True)
        try:
            make("first")
        except (OSError, subprocess.CalledProcessError):
            return "there is no openssl"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])

        def connect(p):
            return context.wrap_socket(p.connect())

        def name(p):
            try:
                with connect(p) as s:
                    der = s.getpeercert(True)
                    return next((n for n in ("first", "second", "third") if n.encode() in der), None)
            except OSError:
                return None

        def ready(s):
            s.sendall(request("GET", "/ready"))
            return parse(read_all(s, 10, complete)[0])[0].status == 200

        with Program("--tls-cert", cert, "--tls-key", key, wait=False) as p:
            assert wait_until(lambda: name(p) == "first", 30), p.text()
            with connect(p) as old:
                assert old.selected_alpn_protocol() != "h2" and wait_until(lambda: ready(old), 30)
                make("second")
                p.child.send_signal(signal.SIGHUP)
                assert wait_until(lambda: name(p) == "second") and ready(old)
                make("third", key=os.path.join(d, "other.pem"))  # whose key is not there yet
                p.child.send_signal(signal.SIGHUP)
                assert wait_until(lambda: "do not belong together" in p.text()), p.text()
                assert name(p) == "second" and ready(old)
        with Program("--tls-cert", cert, "--tls-key", key, wait=False) as p:
            assert p.child.wait(20) == 1 and "do not belong together" in p.text(), p.text()
            p.child.returncode = 0  # as it should


def refusals():
    """O1, I7: where the queue is full 503, where a key's share is used up 429: at once, with Retry-After, in the interface's form; others have their answers"""
    ways = (("/v1/chat/completions", CHAT, lambda e: e["error"]["type"]), ("/v1/messages", dict(CHAT, max_tokens=5), lambda e: e["error"]["type"]),
            ("/v1beta/models/seed:generateContent", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}, lambda e: e["error"]["status"]),
            ("/api/chat", {"model": "seed", "messages": CHAT["messages"]}, lambda e: e["error"]))

    def fill(p, n, headers=()):
        sockets = []
        for _ in range(n):
            sockets.append(p.connect())
            sockets[-1].sendall(request("POST", "/v1/chat/completions", LONG, headers))
            def taken():
                live = p.live(headers)
                return live["active"] > 0 and sum(live.values()) >= len(sockets)
            assert wait_until(taken, 20), (p.live(headers), read_all(sockets[-1], 1))
        return sockets

    def refused(p, status, headers=()):
        for path, body, what in ways:
            begin = time.monotonic()
            reply = p.ask("POST", path, body, headers)[0]
            assert reply.status == status and 1 <= int(reply.header("Retry-After")) <= 120 and what(json.loads(reply.body)), (path, reply.status, reply.body)
            assert reply.header("x-should-retry") != "false" and time.monotonic() - begin < 5
    with Program("--parallel", "1", "--queue", "1") as p:
        sockets = fill(p, 2)
        refused(p, 503)
        assert "suan_batch_requests_refused_total 4" in p.ask("GET", "/metrics")[0].body.decode()
        for s in sockets:
            s.close()
        assert wait_until(lambda: p.chat(max_tokens=2).status == 200)
    with tempfile.TemporaryDirectory() as d:
        file = os.path.join(d, "keys")
        greedy, other = ([("x-api-key", subprocess.run([SUAN, "key", "add", n, "--keys", file], capture_output=True, text=True).stdout.strip())] for n in ("greedy", "other"))
        def lists(p, headers=()):
            many = {"model": "seed", "prompt": ["a b c %d" % i for i in range(20)], "max_tokens": 3}
            reply = p.ask("POST", "/v1/completions", many, headers, timeout=60)[0]
            assert reply.status == 200 and len(json.loads(reply.body)["choices"]) == 20, reply.body
            reply = p.ask("POST", "/v1/embeddings", {"model": "seed", "input": many["prompt"]}, headers, timeout=60)[0]
            assert reply.status == 200 and len(json.loads(reply.body)["data"]) == 20, reply.body

        with Program("--parallel", "1", "--queue", "4") as p: # a list waits for room where a request of its own would be refused
            lists(p)
        with Program("--parallel", "1", "--queue", "2") as p: # and keeps its place while others take what there is
            seen, is_over = set(), threading.Event()

            def crowd():
                while not is_over.is_set():
                    seen.add(p.chat(max_tokens=8).status)
            others = [threading.Thread(target=crowd) for _ in range(4)]
            try:
                many = {"model": "seed", "prompt": ["a b c %d" % i for i in range(20)], "max_tokens": 3}
                assert wait_until(lambda: p.ask("POST", "/v1/completions", dict(many, prompt="a"), timeout=60)[0].status == 200)
                with p.connect(60) as s:
                    s.sendall(request("POST", "/v1/completions", dict(many, stream=True)))
                    s.recv(1) # the list was taken
                    for t in others:
                        t.start()
                    text = read_all(s, 60, lambda d: d.endswith(b"0\r\n\r\n"))[0]
                    assert text.count(b'"finish_reason":"length"') + text.count(b'"finish_reason":"stop"') == 20, text[-300:]
                assert wait_until(lambda: seen == {200, 503}, 20), seen
            finally:
                is_over.set()
                for t in others:
                    if t.is_alive():
                        t.join()
        with Program("--keys", file, "--per-key", "2", "--parallel", "8") as p:
            lists(p, greedy)
            lists(p, other)
        with Program("--keys", file, "--per-key", "1", "--parallel", "2") as p:
            sockets = fill(p, 1, greedy)
            refused(p, 429, greedy)
            assert p.chat(other, max_tokens=2).status == 200
            for s in sockets:
                s.close()
            assert wait_until(lambda: p.chat(greedy, max_tokens=2).status == 200)


class Halted:
    """The engine's threads stand still, the server's do not: those that have no name of their own, but the first."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid):
        import ctypes
        self.libc, self.tids = ctypes.CDLL(None, use_errno=True), []
        for tid in map(int, os.listdir("/proc/%d/task" % pid)):
            with open("/proc/%d/task/%d/comm" % (pid, tid)) as f:
                if tid != pid and f.read().strip() == "suan" and self.call(self.SEIZE, tid):
                    self.tids.append(tid)

    def call(self, what, tid):
        from ctypes import c_long
        return self.libc.ptrace(c_long(what), c_long(tid), c_long(0), c_long(0)) == 0

    def __enter__(self):
        for tid in self.tids:
            self.call(self.INTERRUPT, tid)
            os.waitpid(tid, self.WALL)
        return self

    def __exit__(self, *_):
        for tid in self.tids:
            self.call(self.DETACH, tid)


def o10_watchdog():
    """O10: a step that does not end makes /health 503 with a reason, and the log says so; when it goes on it is 200, and the answer comes"""
    with Program("--watchdog", "1", "--allow-core") as p:
        def health(query=""):
            reply = p.ask("GET", "/health" + query, timeout=5)[0]
            return reply.status, json.loads(reply.body)
        time.sleep(1.5)  # a rest longer than the limit is no trouble, neither before nor when the next request comes
        assert health()[0] == 200 and health("?probe=1")[1]["status"] == "ok"
        with p.connect() as s:
            s.sendall(request("POST", "/v1/chat/completions", LONG))
            assert wait_until(lambda: p.live()["active"] == 1)
            for _ in range(10):
                with Halted(p.child.pid) as halted:
                    if not halted.tids:
                        return "threads cannot be halted here"
                    if not p.ask("GET", "/health", timeout=2):
                        continue  # halted with the lock of the figures in its hands
                    assert wait_until(lambda: health()[0] == 503, 20), health()
                    status, body = health("?probe=1")
                    assert status == 503 and body["status"] == "stuck" and "step" in body["reason"], body
                    assert p.ask("GET", "/v1/models")[0].status == 200
                    break
            else:
                raise AssertionError("no answer while the engine stands still")
            assert wait_until(lambda: health()[0] == 200, 20)
            assert read_all(s, 60, complete)[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        told = [e for e in map(lambda line: json.loads(line)["event"], p.log_lines()) if "stuck" in e]
        assert told and told == ["stuck", "unstuck"] * (len(told) // 2), told  # a machine that is busy may halt it once more


def o11_broken():
    """O11: a model whose file is cut in use: requests fail with the reason, no path in it; /health says 503; the server ends in order"""
    with tempfile.TemporaryDirectory() as d:
        file = os.path.join(d, "packed.gguf")
        subprocess.run([SUAN, "convert", os.environ["SEED"], file, "--type", "q8_0", "--packed"], check=True, capture_output=True)
        with Program("-m", file, "--alias", "seed") as p:
            assert p.ask("GET", "/health?probe=1")[0].status == 200
            os.truncate(file, 100000)
            reply = p.chat(max_tokens=3)
            assert reply.status == 500 and b"was cut or changed" in reply.body and d.encode() not in reply.body, reply.body
            assert wait_until(lambda: p.ask("GET", "/health")[0].status == 503)
            assert b"was cut or changed" in p.ask("GET", "/health?probe=1")[0].body


def o08_stop():
    """O7, O8: SIGTERM: streams end well-formed, at the latest after the timeout, exit 0; a second one ends it at once"""
    for timeout, whole in (("20", True), ("0", False)):
        with Program("--stop-timeout", timeout) as p:
            s = p.connect()
            s.sendall(request("POST", "/v1/chat/completions", dict(CHAT, stream=True)))
            s.recv(10)
            assert p.stop() == 0, p.text()
            data, _ = read_all(s, 5)
            body = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data.partition(b"\r\n\r\n")[2])[0].body.decode()
            assert body.endswith("\n\n"), body[-200:]
            for event in body.split("\n\n"):
                assert event in ("", "data: [DONE]") or event.startswith(":") or json.loads(event[6:]), event
            s.close()
    with Program("--stop-timeout", "0", "--parallel", "2") as p: # a list goes on while the engine ends
        sockets = [p.connect() for _ in range(6)]
        for s in sockets:
            s.sendall(request("POST", "/v1/embeddings", {"model": "seed", "input": ["a b %d" % i for i in range(1500)]}))
        assert wait_until(lambda: p.live()["active"] > 0, 20)
        assert p.stop() == 0, p.text()
        for s in sockets:
            data, _ = read_all(s, 5)
            assert not data or parse(data)[0].status == 503, data[:300]
            s.close()
    with Program("--stop-timeout", "60") as p:
        sockets = [p.connect() for _ in range(32)]
        for s in sockets:
            s.sendall(request("POST", "/v1/chat/completions", dict(CHAT, stream=True, n=4)))
        sockets[0].recv(10)
        p.child.send_signal(signal.SIGTERM)
        assert wait_until(lambda: "Stopping" in p.text(), 20)  # two that come together are one
        p.child.send_signal(signal.SIGTERM)
        assert p.child.wait(20) in (0, 143)
        for s in sockets:
            s.close()


def h02_unload():
    """H-02: the model goes while 64 requests are read, tokenised, wait and are answered: what came is well-formed, and the program ends well"""
    words = "a b c d e f " * 40
    bodies = (("/v1/chat/completions", dict(CHAT, stream=True)), ("/v1/messages/count_tokens", {"model": "seed", "messages": [{"role": "user", "content": words}]}),
              ("/v1/embeddings", {"model": "seed", "input": [words] * 8}), ("/api/generate", {"model": "seed", "prompt": words}),
              ("/v1/messages", {"model": "seed", "max_tokens": 100, "messages": [{"role": "user", "content": words}]}),
              ("/v1/completions", {"model": "seed", "prompt": [words, words], "max_tokens": 50, "echo": True, "logprobs": 2}),
              ("/v1beta/models/seed:countTokens", {"contents": [{"parts": [{"text": words}]}]}), ("/api/embed", {"model": "seed", "input": words}))
    for seconds in (0, 0.03, 0.2, 1):
        with Program("--stop-timeout", "0", "--parallel", "8") as p:
            sockets = [p.connect() for _ in range(64)]
            for i, s in enumerate(sockets):
                s.sendall(request("POST", *bodies[i % len(bodies)]))
            time.sleep(seconds)
            assert p.stop() == 0, p.text()
            for s in sockets:
                data, _ = read_all(s, 5)
                assert not data or parse(data)[0].status in (200, 429, 503), data[:300]
                s.close()


def o09_loading():
    """O9, systemd: sockets of the service manager; while the model loads /health is 200, the rest 503; READY and STOPPING are told"""
    with tempfile.TemporaryDirectory() as d:
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(os.path.join(d, "notify"))
        told.settimeout(20)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        port = listening.getsockname()[1]
        # a request that is there before the server is: its answer is 503 while the model loads, or an answer
        early = socket.create_connection(("127.0.0.1", port))
        early.sendall(request("GET", "/ready"))
        script = 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" serve --log-file "$1"' % listening.fileno()
        env = dict(os.environ, NOTIFY_SOCKET=os.path.join(d, "notify"), STATE_DIRECTORY=d)
        child = subprocess.Popen(["sh", "-c", script, SUAN, os.path.join(d, "log")], env=env, pass_fds=[listening.fileno()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        data, _ = read_all(early, 20, complete)
        assert parse(data)[0].status in (200, 503)
        assert told.recv(1000) == b"READY=1"

        class Here:
            def connect(self, timeout):
                return socket.create_connection(("127.0.0.1", port), timeout)
        assert exchange(Here(), request("GET", "/ready"))[0].status == 200
        child.send_signal(signal.SIGTERM)
        assert told.recv(1000) == b"STOPPING=1"
        assert child.wait(20) == 0
        listening.close()
        told.close()
        early.close()


def h09_errors():
    """H-09, A9: errors of every kind name no address of memory and no path"""
    leak = re.compile(rb"0x[0-9a-fA-F]{6,}|/(?:home|root|work|tmp|usr|var|proc|etc|nix)/")
    with Program() as p:
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/api/chat", "/api/generate",
                     "/api/show", "/v1beta/models/seed:generateContent", "/v1beta/models/seed:nothing", "/v1/nothing"):
            for body in ({}, {"model": "../../passwd"}, {"model": "/passwd", "messages": 3}, b"{", b"[1]", {"model": "seed", "messages": [{"role": "x"}]}, {"nothing": 1},
                         {"model": "seed", "input": {}, "prompt": {}, "contents": [], "messages": []}, {"model": "seed", "max_tokens": -1, "messages": [{"role": "user", "content": "x"}]}):
                replies = p.ask("POST", path, body)
                assert len(replies) == 1 and 400 <= replies[0].status < 500, (path, body, replies[0].status, replies[0].body)
                assert not leak.search(replies[0].body), replies[0].body
                json.loads(replies[0].body)


def r04_limits():
    """R-04: a schema that passes a limit only with the model's vocabulary, at once or in the middle of the answer, is the request's mistake: 400 with its name, not worth a retry"""
    many = {"anyOf": [{"type": "object", "properties": {"k%d" % i: {"const": i}}} for i in range(3000)]}
    words = {"type": "string", "pattern": "^(%s)$" % "|".join("w%dz" % i for i in range(8000))}

    def form(schema):
        return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    ways = (("/v1/chat/completions", dict(CHAT, response_format=form(many))), ("/v1/chat/completions", dict(CHAT, response_format=form(words))),
            ("/v1/responses", {"model": "seed", "input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": many}}}),
            ("/v1/messages", dict(CHAT, max_tokens=5, output_config={"format": {"type": "json_schema", "schema": many}})),
            ("/v1beta/models/seed:generateContent", {"contents": [{"parts": [{"text": "x"}]}],
                                                     "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": many}}),
            ("/api/chat", {"model": "seed", "messages": CHAT["messages"], "format": many}))
    with Program() as p:
        for path, body in ways:
            reply = p.ask("POST", path, body, timeout=60)[0]
            assert reply.status == 400 and b"grammar: " in reply.body, (path, reply.status, reply.body)
            assert reply.header("Retry-After") is None and reply.header("x-should-retry") == "false", (path, reply.headers)
        error = json.loads(p.ask("POST", *ways[0], timeout=60)[0].body)["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", "response_format"), error
        assert p.chat(max_tokens=2).status == 200


def h11_addresses():
    """H-11: no address that a request names is fetched or read, on this machine or elsewhere: 400, and nobody calls"""
    with Program() as p, socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen(8)
        trap.setblocking(False)
        for url in ("http://127.0.0.1:%d/x.png" % trap.getsockname()[1], "http://169.254.169.254/latest/meta-data", "file:///etc/passwd"):
            schema = {"$ref": url}
            for path, body in (
                ("/v1/chat/completions", dict(CHAT, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])),
                ("/v1/chat/completions", dict(CHAT, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})),
                ("/v1/responses", {"model": "seed", "input": [{"role": "user", "content": [{"type": "input_file", "file_url": url}]}]}),
                ("/v1/messages", dict(CHAT, max_tokens=2, messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}]}])),
                ("/v1/messages", dict(CHAT, max_tokens=2, messages=[{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": url}}]}])),
                ("/v1beta/models/seed:generateContent", {"contents": [{"parts": [{"fileData": {"mimeType": "image/png", "fileUri": url}}]}]}),
                ("/api/chat", {"model": "seed", "messages": CHAT["messages"], "format": schema}),
            ):
                reply = p.ask("POST", path, body)[0]
                assert reply.status == 400 and b"root:" not in reply.body, (path, body, reply.status, reply.body)
        assert not select.select([trap], [], [], 0.3)[0], "somebody came to fetch"


def ledger_waits():
    """a ledger that cannot be written costs no answer: the log says why, its rows wait, and come when it can be"""
    with Program() as p:
        path = os.path.join(p.state, "ledger.db")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            assert p.chat(max_tokens=2).status == 200
            assert wait_until(lambda: any(b'"error"' in l and b"1 rows wait" in l for l in p.log_lines()), 30), p.log_lines()
            assert b"suan_ledger_rows_waiting 1\n" in p.ask("GET", "/metrics")[0].body
            db.execute("COMMIT")
            assert wait_until(lambda: any(b'"note"' in l and b"written again" in l for l in p.log_lines()), 30), p.log_lines()
            assert db.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def killed():
    """kill -9 while answers are written: the ledger is whole, and the next server goes on with it"""
    with Program() as p:
        assert p.chat(max_tokens=3).status == 200
        time.sleep(0.3)
        sockets = [p.connect() for _ in range(8)]
        for s in sockets:
            s.sendall(request("POST", "/v1/chat/completions", dict(CHAT, stream=True)))
        sockets[0].recv(10)
        p.child.kill()
        p.child.wait()
        r = subprocess.run([SUAN, "usage", "--json", "--ledger", os.path.join(p.state, "ledger.db")], capture_output=True, text=True, env=p.env, timeout=20)
        assert r.returncode == 0 and json.loads(r.stdout)["usage"][0]["requests"] >= 1, r
        for s in sockets:
            s.close()


main([answers, o03_leave, a01_bind, l01_secrets, reload_keys, reload_certificate, refusals, o10_watchdog, o11_broken, o08_stop, h02_unload, o09_loading, h09_errors, r04_limits, h11_addresses, ledger_waits, killed])
