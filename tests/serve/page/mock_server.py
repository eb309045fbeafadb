"""A server with scripted answers for the page: what no real model can be relied on to say. Serves the page's own files and its policy."""
import json
import math
import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import answers

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
N_LAYER, N_EXPERT = 26, 64


class Mock(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, page_dir):
        super().__init__(("127.0.0.1", 0), Handler)
        self.page_dir = pathlib.Path(page_dir)
        self.csp = (self.page_dir / "csp.txt").read_text().strip()
        self.key = None           # asked of every request below /v1 and of /live
        self.models = ["seed-tiny"]
        self.dense = False
        self.active = 0
        self.bodies = []          # of chat requests
        self.authorizations = []
        self.gone = threading.Event()  # set when a client left in the middle of an answer
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.started = time.monotonic()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that leaves is nothing to print."""

    def live(self):
        t = time.monotonic() - self.started
        use = [[int((1 + math.sin(i * 7.1 + j * 3.7)) ** 4 * (20 + t * (1 + (i + j) % 3))) for j in range(N_EXPERT)] for i in range(N_LAYER)]
        return {"model": self.models[0], "tokens_per_second": round(12 + 4 * math.sin(t), 2) if self.active else 0, "requests": {"active": self.active, "queued": 0},
                "memory": {"rss_bytes": 9_912_345_678, "cache_bytes": 2 << 30, "cache_used_bytes": 412 << 20, "weights_bytes": 8_912_896_000},
                "context": 32768, "experts": None if self.dense else {"n_layer": N_LAYER, "n_expert": N_EXPERT, "use": use}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body, content_type="application/json", headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, message, code=None, headers=()):
        self.reply(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, headers=headers)

    def allowed(self):
        self.server.authorizations.append(self.headers.get("Authorization"))
        if self.server.key is None or self.headers.get("Authorization") == "Bearer " + self.server.key:
            return True
        self.fail(401, "No valid API key was given.", "invalid_api_key")
        return False

    def do_GET(self):
        path = self.path
        if path == "/" or path.startswith("/page/"):
            name = "index.html" if path == "/" else path[len("/page/"):]
            file = self.server.page_dir / name
            if "/" in name or file.suffix not in TYPES or not file.is_file():
                return self.fail(404, "There is no such file.")
            return self.reply(200, file.read_bytes(), TYPES[file.suffix], [("Content-Security-Policy", self.server.csp), ("X-Content-Type-Options", "nosniff")])
        if path == "/health":
            return self.reply(200, {"status": "ok"})
        if not self.allowed():
            return None
        if path == "/live":
            return self.reply(200, self.server.live())
        if path == "/v1/models":
            return self.reply(200, {"object": "list", "data": [{"id": m, "object": "model", "created": 0, "owned_by": "suan"} for m in self.server.models]})
        return self.fail(404, "There is no such address.")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        self.server.bodies.append(body)
        script = answers.script(body["messages"][-1]["content"])
        if script.status != 200:
            return self.fail(script.status, script.message, script.code, script.headers)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.server.active += 1
        try:
            self.stream(script, body)
        except OSError:
            self.server.gone.set()
        finally:
            self.server.active -= 1
            self.close_connection = True

    def chunk(self, delta=None, finish=None, **more):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        self.event({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "seed-tiny", "choices": choices, **more})

    def event(self, what):
        self.wfile.write(("data: " + (what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)) + "\n\n").encode())
        self.wfile.flush()

    def stream(self, script, body):
        self.chunk({"role": "assistant", "content": ""})
        time.sleep(script.first_s)
        n = 0
        for name, text in (("reasoning_content", script.thinking), ("content", script.text)):
            for i in range(0, len(text), script.piece):
                self.chunk({name: text[i:i + script.piece]})
                n += 1
                time.sleep(script.pause_s)
        if script.broken == "cut":
            return
        if script.broken == "error":
            return self.event({"error": {"message": "The engine stopped: out of luck.", "type": "server_error", "code": None, "param": None}})
        if script.broken == "rubbish":
            return self.event("{not json")
        self.chunk({}, script.finish)
        if body.get("stream_options", {}).get("include_usage"):
            self.chunk(usage={"prompt_tokens": 900, "completion_tokens": n, "total_tokens": 900 + n, "suan": {"joules": 3.25}})
        self.event("[DONE]")
