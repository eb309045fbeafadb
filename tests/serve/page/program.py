"""Starts suan serve for the page."""
import os
import re
import subprocess
import time


def start(path, log, state, key, model=None):
    """The process and its address, once it is ready. Its state lies in the folder `state`; every request needs the key."""
    with open(log, "wb") as out:
        process = subprocess.Popen([path, "serve", "--port", "0", *(["-m", model] if model else [])], env={**os.environ, "XDG_STATE_HOME": state, "SUAN_API_KEY": key}, stdout=out, stderr=subprocess.STDOUT)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with open(log, encoding="utf-8", errors="replace") as text:
            found = re.search(r"http://[^\s/\"]+:\d+", text.read())
        if found:
            return process, found[0]
        time.sleep(0.05)
    process.kill()
    with open(log, encoding="utf-8", errors="replace") as text:
        raise RuntimeError("suan serve did not begin: " + text.read()[-2000:])
