"""What the clients' suites share: cases, their report (TAP), raw HTTP.

    python anthropic_suite.py --url http://127.0.0.1:8080 --tools-url http://127.0.0.1:8081

url: a server of the shipped model; tools_url: of the one that fixture.py makes. A suite exits with 1 when a case failed.
"""
import argparse
import asyncio
import http.client
import inspect
import json
import sys
import traceback
import urllib.parse

CASES = []


def case(function):
    """A test: def or async def, with the options as its argument."""
    CASES.append(function)
    return function


class Skip(Exception):
    pass


def raises(kind, function, *args, **kwargs):
    """The exception of this kind that a call raises."""
    try:
        function(*args, **kwargs)
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


async def araises(kind, awaitable):
    try:
        await awaitable
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


def raw(url, method, path, body=None, headers=None):
    """(status, headers, bytes) of a plain request."""
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
    reply = connection.getresponse()
    result = reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
    connection.close()
    return result


def model_of(url):
    """What the server calls its model."""
    return json.loads(raw(url, "GET", "/v1/models")[2])["data"][0]["id"]


def main(versions):
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--tools-url")
    parser.add_argument("--key", default="none")
    parser.add_argument("--only", help="part of a case's name")
    options = parser.parse_args()
    options.model = model_of(options.url)
    options.tools_model = model_of(options.tools_url) if options.tools_url else None
    chosen = [c for c in CASES if not options.only or options.only in c.__name__]
    print(f"1..{len(chosen)} # {versions}", flush=True)
    n_failed = 0
    for i, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
        try:
            if "tools" in function.__name__ and not options.tools_url:
                raise Skip("no --tools-url")
            if inspect.iscoroutinefunction(function):
                asyncio.run(asyncio.wait_for(function(options), 120))
            else:
                function(options)
            print(f"ok {i} - {name}", flush=True)
        except Skip as e:
            print(f"ok {i} - {name} # SKIP {e}", flush=True)
        except Exception:  # noqa: BLE001
            n_failed += 1
            print(f"not ok {i} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print("  # " + line, flush=True)
    sys.exit(1 if n_failed else 0)
