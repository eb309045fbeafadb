"""Clicks everything of the page in a headless browser. See run.sh."""
import argparse
import os
import pathlib
import secrets
import sys
import tempfile
import traceback

import browser
import mock_server
import program
import steps

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--base", help="address of a running server; without it, one with scripted answers")
    p.add_argument("--program", help="suan; it is started with the model that ships with it, on a port that is free")
    p.add_argument("--fixture", help="a model for it below SUAN_FIXTURES; then only what its experts show is looked at")
    p.add_argument("--key", help="API key of that server")
    p.add_argument("--out", default="page-shots", help="folder for the screenshots")
    p.add_argument("--page", default=str(HERE.parents[2] / "src" / "serve" / "page"), help="folder of the page's files")
    p.add_argument("--only", help="only the steps whose names contain one of these words, parted by commas")
    return p.parse_args()


def main():
    args = arguments()
    path = browser.find()
    if not path:
        print("1..0 # SKIP all of the page: there is no Chromium (set SUAN_CHROMIUM)")
        return 0
    model = args.fixture and os.path.join(os.environ.get("SUAN_FIXTURES", ""), args.fixture)
    if model and not os.path.isdir(model):
        print(f"1..0 # SKIP 1 step of the page: there is no {args.fixture} below SUAN_FIXTURES")
        return 0
    os.makedirs(args.out, exist_ok=True)
    server = None
    if args.program:
        state = tempfile.TemporaryDirectory(prefix="suan-page-state-")
        args.key = "sk-" + secrets.token_hex(16)
        server, args.base = program.start(args.program, os.path.join(args.out, "server.log"), state.name, args.key, model)
    mock = None if args.base else mock_server.Mock(args.page)
    base = args.base.rstrip("/") + "/" if args.base else mock.url
    kinds = steps.EXPERTS if model else (steps.WITH_KEY if args.key else []) + steps.REAL if args.base else steps.ALL
    chosen = [f for f in kinds if not args.only or any(part in f.__name__ for part in args.only.split(","))]
    print(f"1..{len(chosen)}")
    chromium = browser.Browser(path)
    failed = 0
    try:
        page = browser.Page(chromium, args.out)
        drive = steps.Drive(page, base, mock, args.key)
        if args.only:
            drive.open()
            page.scheme("light")
        for number, step in enumerate(chosen, 1):
            name = f"{number} - {step.__name__}: {(step.__doc__ or '').strip()}"
            try:
                step(drive)
                print("ok " + name)
            except Exception as error:  # a failed step is a result, the next one shall run
                failed += 1
                print("not ok " + name)
                lines = str(error).split("\n") if isinstance(error, (AssertionError, browser.PageError)) else []
                lines += traceback.format_exc().strip().split("\n")
                print("\n".join("# " + line for line in lines))
                drive.recover("failed-" + step.__name__)
            sys.stdout.flush()
    finally:
        chromium.close()
        if server:
            server.terminate()
            server.wait(20)
            state.cleanup()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
