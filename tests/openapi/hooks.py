"""What Schemathesis must know of the centre beside its document.

Half of the requests name things that are there (IOC_IDS: a JSON object, path of the operation →
ids), or all of them would end with 404. Cookies come from IOC_COOKIES: the first is for all requests;
each that ends its session gets one of the others, for the first must hold to the end.
"""
import json
import os
import zlib

import schemathesis

with open(os.environ["IOC_IDS"], encoding="utf-8") as file:
    IDS = json.load(file)
MAIN, *SPARE = os.environ["IOC_COOKIES"].split()


def known(kinds, value):
    """An id for half of the values; the same value always gives the same answer."""
    hashed = zlib.crc32(repr(value).encode())
    return kinds[hashed // 2 % len(kinds)] if kinds and hashed % 2 == 0 else value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    kinds = IDS.get(context.operation.path) or []
    return path_parameters and {n: known(kinds, v) for n, v in path_parameters.items()}


@schemathesis.hook
def map_query(context, query):
    def one(name, value):
        return known(IDS.get(f"?{name}") or [], value)

    return query and {name: one(name, value) for name, value in query.items()}


@schemathesis.hook
def before_call(context, case, kwargs):
    cookie = MAIN
    if case.operation.label == "DELETE /api/v1/session":
        cookie = SPARE.pop() if SPARE else "ioc_session=" + "0" * 64
    case.headers["Cookie"] = cookie
