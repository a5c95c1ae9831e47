"""Reads a SensorThings service with two client libraries and compares what they say with what
the store holds.

    client.py URL EXPECTED.json

EXPECTED: {"things": {id: {"name", "lat", "lon"}}, "datastreams": {id: {"thing", "property",
"unit", "points": [[ms, value, quality], ...]}}}; points in the order of time.
"""

import json
import sys
import warnings
from datetime import datetime, timezone

warnings.filterwarnings("ignore")

import frost_sta_client as frost  # noqa: E402
import stapy  # noqa: E402


def ms(text):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


def iso(millis):
    moment = datetime.fromtimestamp(millis / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def same(what, found, expected):
    if found != expected:
        if isinstance(found, list) and isinstance(expected, list):
            # Only what follows the first difference, of long lists.
            both = list(zip(found, expected))
            at = next((i for i, (f, e) in enumerate(both) if f != e), len(both))
            what = f"{what} ({len(found)} of {len(expected)}, different from {at} on)"
            found, expected = found[at : at + 3], expected[at : at + 3]
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")
    print(f"ok {what}")


def points(observations):
    return [[ms(o.phenomenon_time), o.result] for o in observations]


def with_frost(url, expected):
    service = frost.SensorThingsService(url)
    things = list(service.things().query().list())
    same("things", sorted(t.id for t in things), sorted(expected["things"]))
    for thing in things:
        same(f"name of {thing.id}", thing.name, expected["things"][thing.id]["name"])

    # Pages of two, followed by the library.
    paged = [t.id for t in service.things().query().top(2).list()]
    same("things, page by page", paged, [t.id for t in things])

    expanded = list(
        service.things()
        .query()
        .expand("Locations,Datastreams($expand=ObservedProperty,Sensor)")
        .list()
    )
    for thing in expanded:
        known = expected["things"][thing.id]
        place = thing.locations.entities[0].location["coordinates"]
        same(f"place of {thing.id}", list(place), [known["lon"], known["lat"]])
        for d in thing.datastreams.entities:
            stream = expected["datastreams"][d.id]
            same(f"thing of {d.id}", stream["thing"], thing.id)
            same(f"unit of {d.id}", d.unit_of_measurement.symbol, stream["unit"])
            same(f"property of {d.id}", d.observed_property.id, stream["property"])
            same(f"area of {d.id}", d.observed_area["type"], "Polygon")
            first, last = d.phenomenon_time.split("/")
            ends = [stream["points"][0][0], stream["points"][-1][0]]
            same(f"times of {d.id}", [ms(first), ms(last)], ends)

    for id, stream in expected["datastreams"].items():
        all_points = [p[:2] for p in stream["points"]]
        datastream = service.datastreams().find(id)
        read = lambda: datastream.get_observations().query()  # noqa: E731
        same(f"all of {id}", points(read().list()), all_points)
        newest = points(read().orderby("phenomenonTime", "desc").top(3).list().entities)
        same(f"newest of {id}", newest, all_points[::-1][:3])
        back = points(read().orderby("phenomenonTime", "desc").top(70).list())
        same(f"backwards through {id}", back, all_points[::-1])
        middle = len(all_points) // 2
        begin, end = all_points[middle][0], all_points[-1][0]
        between = read().filter(f"phenomenonTime ge {iso(begin)} and phenomenonTime lt {iso(end)}")
        rest = [p for p in all_points if begin <= p[0] < end]
        counted = between.count().list()
        same(f"count of a stretch of {id}", counted.count, len(rest))
        same(f"a stretch of {id}", points(counted), rest)
        limit = sorted(p[1] for p in all_points)[middle]
        above = points(read().filter(f"result gt {limit}").list())
        same(f"large ones of {id}", above, [p for p in all_points if p[1] > limit])
        least = points(read().orderby("result", "asc").top(1).list().entities)
        same(f"smallest of {id}", least[0][1], min(p[1] for p in all_points))

    every = sorted(
        [p[:2] for s in expected["datastreams"].values() for p in s["points"]], key=lambda p: p[0]
    )
    merged = points(service.observations().query().orderby("phenomenonTime", "asc").top(90).list())
    same("times of all, merged", [p[0] for p in merged], [p[0] for p in every])
    same("values of all, merged", sorted(merged), sorted(every))

    one = service.observations().query().top(1).expand("Datastream,FeatureOfInterest").list()
    first = one.entities[0]
    same("an observation's own page", service.observations().find(first.id).result, first.result)
    same("its datastream", first.datastream.id in expected["datastreams"], True)
    same("its feature", first.feature_of_interest.feature["type"], "Point")
    by_property = service.datastreams().query().filter("ObservedProperty/id eq 'pm25'").list()
    wanted = sorted(i for i, s in expected["datastreams"].items() if s["property"] == "pm25")
    same("datastreams of a property", sorted(d.id for d in by_property), wanted)
    everywhere = "st_within(Locations/location,geography'POLYGON((107 15,109 15,109 17,107 17,107 15))')"
    near = service.things().query().filter(everywhere).list()
    same("things of a region", sorted(t.id for t in near), sorted(expected["things"]))
    for bad in ["name eq", "nothing eq 1"]:
        try:
            service.things().query().filter(bad).list()
        except Exception as e:
            same(f"`{bad}` is refused", e.response.status_code, 400)
        else:
            sys.exit(f"`{bad}` was taken")


def with_stapy(url, expected):
    stapy.set_sta_url(url)
    names, ids = stapy.Query(stapy.Entity.Thing).select("name", "@iot.id").get_data_sets()
    known = {i: t["name"] for i, t in expected["things"].items()}
    same("stapy: things", dict(zip(ids, names)), known)
    for id, stream in expected["datastreams"].items():
        query = stapy.Query(stapy.Entity.Observation).filter(f"Datastream/id eq '{id}'")
        times, results = query.select("phenomenonTime", "result").get_data_sets()
        found = [[ms(t), v] for t, v in zip(times, results)]
        same(f"stapy: all of {id}", found, [p[:2] for p in stream["points"]])


if __name__ == "__main__":
    address, file = sys.argv[1:]
    with open(file, encoding="utf-8") as f:
        store = json.load(f)
    with_frost(address, store)
    with_stapy(address, store)
    print("all as expected")
