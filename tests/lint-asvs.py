#!/usr/bin/env python3
"""docs/security/asvs.md says something true of every requirement of levels 1 and 2.

Checks that all ids are there once with their level, that every row has a state, that a state of
`test` names a test, that every named test (`path::name`) and file exists, and that no gap's date
has passed. Ends with 1 and the mistakes, or with the figures.
"""
import datetime
import pathlib
import re
import sys

PAGE = "docs/security/asvs.md"
# Section → levels of its requirements, in order; 3 stands for those of level 3.
LEVELS = {
    "1.1": "22", "1.2": "1111122223", "1.3": "112222222223", "1.4": "222", "1.5": "123",
    "2.1": "122", "2.2": "112", "2.3": "12223", "2.4": "23",
    "3.1": "3", "3.2": "113", "3.3": "12223", "3.4": "11222233", "3.5": "11122333", "3.6": "3",
    "3.7": "22333",
    "4.1": "12233", "4.2": "23333", "4.3": "22", "4.4": "1222",
    "5.1": "2", "5.2": "112333", "5.3": "113", "5.4": "222",
    "6.1": "122", "6.2": "111111112222", "6.3": "11223333", "6.4": "112233", "6.5": "22222333",
    "6.6": "2223", "6.7": "33", "6.8": "2222",
    "7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22",
    "8.1": "1233", "8.2": "1123", "8.3": "133", "8.4": "23",
    "9.1": "111", "9.2": "1222",
    "10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333", "10.5": "22222",
    "10.6": "22", "10.7": "222",
    "11.1": "2233", "11.2": "22233", "11.3": "11233", "11.4": "1222", "11.5": "23", "11.6": "23",
    "11.7": "33",
    "12.1": "12233", "12.2": "11", "12.3": "22223",
    "13.1": "2333", "13.2": "222223", "13.3": "2233", "13.4": "1222233",
    "14.1": "22", "14.2": "12223333", "14.3": "122",
    "15.1": "12233", "15.2": "12233", "15.3": "1222222", "15.4": "3333",
    "16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "2223",
    "17.1": "23", "17.2": "22223333", "17.3": "22",
}
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (\d) \| (.+?) \| (.+) \| ([^|]+) \|$")
NAMED = re.compile(r"`([\w./-]+\.(?:rs|mjs|ts|py))::([^`]+)`")
FILE = re.compile(r"`((?:[\w-]+/)+[\w.-]+|[\w-]+\.(?:md|toml|lock)|Dockerfile)`")


def needed():
    for section, levels in LEVELS.items():
        for number, level in enumerate(levels, 1):
            yield f"{section}.{number}", int(level)


def is_there(path, name):
    file = pathlib.Path(path)
    if not file.is_file():
        return False
    text = file.read_text(encoding="utf-8")
    if path.endswith(".rs"):
        return re.search(rf"\bfn {re.escape(name)}\b", text) is not None
    return name in text


def mistakes(rows, today):
    levels = dict(needed())
    for name, level in levels.items():
        if level < 3 and name not in rows:
            yield f"{name} (level {level}) is missing"
    for name, (level, how, state) in rows.items():
        if levels.get(name) != level:
            yield f"{name}: level {level}, the standard says {levels.get(name)}"
        tests = NAMED.findall(how)
        for path, test in tests:
            if not is_there(path, test):
                yield f"{name}: there is no {path}::{test}"
        for path in FILE.findall(how):
            if not pathlib.Path(path).exists():
                yield f"{name}: there is no {path}"
        gap = re.fullmatch(r"gap (\d{4}-\d{2}-\d{2})", state)
        if state == "test" and not tests:
            yield f"{name}: no test is named"
        elif gap and datetime.date.fromisoformat(gap[1]) <= today:
            yield f"{name}: the gap was to be looked at on {gap[1]}"
        elif not gap and state not in ("test", "design", "n/a"):
            yield f"{name}: the state `{state}` is none"


def main():
    rows, wrong = {}, []
    for number, line in enumerate(open(PAGE, encoding="utf-8"), 1):
        if row := ROW.match(line.rstrip("\n")):
            if row[1] in rows:
                wrong.append(f"{row[1]} stands there twice")
            rows[row[1]] = (int(row[2]), row[4], row[5].strip())
        elif re.match(r"^\| \d", line):
            wrong.append(f"line {number} is no row: {line.strip()}")
    wrong.extend(mistakes(rows, datetime.date.today()))
    for mistake in wrong:
        print(f"{PAGE}: {mistake}", file=sys.stderr)
    states = [state.split()[0] for _, _, state in rows.values()]
    counted = ", ".join(f"{states.count(s)} {s}" for s in ("test", "design", "n/a", "gap"))
    chosen = sum(1 for level, _, _ in rows.values() if level == 3)
    print(f"ASVS 5.0: {len(rows) - chosen} of 253 requirements of levels 1 and 2, {chosen} of level 3: {counted}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
