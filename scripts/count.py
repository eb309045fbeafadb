"""count.py TESTLOG.json...: adds up Meson's test logs: "passed failed skipped", counting the cases inside each test (cmocka's, TAP's)."""
import json
import re
import sys

CASE = re.compile(r"^(?:\[\s+(OK|FAILED|SKIPPED)\s+\] \S+$|(ok|not ok)\b(.*))", re.M)


def count(test):
    """(passed, failed, skipped) of one test; a test that failed counts at least one failure, whatever its cases say."""
    passed = failed = skipped = 0
    seen = set()
    for match in CASE.finditer(test.get("stdout", "") + "\n" + test.get("stderr", "")):
        if match.group(0) in seen:
            continue  # cmocka names a failed case twice
        seen.add(match.group(0))
        if match.group(1) == "SKIPPED" or (match.group(2) == "ok" and "# SKIP" in match.group(3).upper()):
            skipped += 1
        elif match.group(1) == "OK" or match.group(2) == "ok":
            passed += 1
        else:
            failed += 1
    if test["result"] == "SKIP":
        return (passed, failed, max(skipped, 1))
    if test["result"] not in ("OK", "EXPECTEDFAIL"):
        return (passed, max(failed, 1), skipped)
    return (max(passed, 0 if skipped else 1), failed, skipped)


totals = [0, 0, 0]
for path in sys.argv[1:]:
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            totals = [a + b for a, b in zip(totals, count(json.loads(line)))]
print(*totals)
