#!/usr/bin/env python3
"""Each excused advisory of deny.toml names its crate and its last day, and both still hold.

Prints the ids, one a line, for `cargo audit --ignore`. Ends with 1 and the reasons otherwise.
`--today YYYY-MM-DD` is for trying it.
"""
import datetime
import re
import sys
import tomllib

LONGEST = datetime.timedelta(days=183)


def mistakes(entry, locked, today):
    reason = entry.get("reason", "") if isinstance(entry, dict) else ""
    name = entry["id"] if isinstance(entry, dict) else entry
    crate = re.search(r"([\w-]+)@([\w.+-]+)", reason)
    until = re.search(r"until (\d{4}-\d{2}-\d{2})$", reason)
    if not crate or not until:
        yield f"{name}: the reason needs `crate@version` and, at its end, `until YYYY-MM-DD`"
        return
    if crate.groups() not in locked:
        yield f"{name}: {crate[0]} is not in Cargo.lock any more: take the exception out"
    until = datetime.date.fromisoformat(until[1])
    if today >= until:
        yield f"{name}: the exception ended on {until}: update {crate[0]}, or decide again"
    elif until - today > LONGEST:
        yield f"{name}: {until} is more than half a year ahead"


def main():
    today = datetime.date.today()
    if sys.argv[1:2] == ["--today"]:
        today = datetime.date.fromisoformat(sys.argv[2])
    with open("deny.toml", "rb") as file:
        ignored = tomllib.load(file)["advisories"]["ignore"]
    with open("Cargo.lock", "rb") as file:
        locked = {(p["name"], p["version"]) for p in tomllib.load(file)["package"]}
    wrong = [m for entry in ignored for m in mistakes(entry, locked, today)]
    for mistake in wrong:
        print(f"deny.toml: {mistake}", file=sys.stderr)
    for entry in ignored:
        print(entry["id"] if isinstance(entry, dict) else entry)
    sys.exit(1 if wrong else 0)


main()
