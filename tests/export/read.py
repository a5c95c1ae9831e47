"""Reads an export as others do and compares it with what was measured.

    read.py PARQUET CSV EXPECTED.json

EXPECTED: [[device, property, ms, value, quality], ...] in the order of rows. Exit code 1: what is
printed is wrong.
"""

import json
import sys
from datetime import timezone

import duckdb
import pyarrow.parquet

parquet, csv, expected = sys.argv[1:]
with open(expected, encoding="utf-8") as file:
    rows = [tuple(row) for row in json.load(file)]


def ms(moment):
    return round(moment.astimezone(timezone.utc).timestamp() * 1000)


def check(what, found):
    found = [(d, p, ms(t), v, q) for d, p, t, v, q in found]
    if found != rows:
        wrong = [(a, b) for a, b in zip(found, rows) if a != b][:3]
        sys.exit(f"{what}: {len(found)} rows, {len(rows)} expected, {wrong}")
    print(f"ok {what}")


COLUMNS = ["device", "property", "time", "value", "quality"]
file = pyarrow.parquet.ParquetFile(parquet)
assert str(file.schema_arrow.field("time").type) == "timestamp[ms, tz=UTC]", file.schema_arrow
table = file.read(columns=COLUMNS)
check("pyarrow, Parquet", zip(*(table[c].to_pylist() for c in COLUMNS)))
db = duckdb.connect()
db.sql("SET TimeZone = 'UTC'")
columns = ", ".join(COLUMNS)
check("DuckDB, Parquet", db.execute(f"SELECT {columns} FROM read_parquet(?)", [parquet]).fetchall())
kind = db.execute("SELECT typeof(time) FROM read_csv(?) LIMIT 1", [csv]).fetchone()
assert kind == ("TIMESTAMP WITH TIME ZONE",), kind
check("DuckDB, CSV", db.execute(f"SELECT {columns} FROM read_csv(?)", [csv]).fetchall())
