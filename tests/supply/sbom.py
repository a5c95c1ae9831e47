#!/usr/bin/env python3
"""Writes the software bill of materials of `ioc` (CycloneDX 1.6, JSON) from what cargo and npm
have locked: `sbom.py OUT.json`. Run in the root of the checkout; needs no network.

scope `required`: its code is in the binary or in the page. scope `excluded`: it only builds them
(procedural macros, build scripts, the bundler). Two runs of one commit write the same bytes.
"""
import json
import os
import subprocess
import sys
import tomllib

TARGET = "x86_64-unknown-linux-gnu"
# What the page imports; all else of the lock file bundles it or tests it.
IN_PAGE = {"@fontsource-variable/inter", "leaflet", "svelte", "uplot"}


def cargo_graph():
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    command += ["--filter-platform", TARGET]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {p["id"]: p for p in told["packages"]}
    return packages, {n["id"]: n for n in told["resolve"]["nodes"]}


def is_macro(package):
    return any("proc-macro" in t["kind"] for t in package["targets"])


def reached(root, packages, nodes):
    """id -> whether its code is in the binary, for all that building the binary needs."""
    found = {}
    waiting = [(root, True)]
    while waiting:
        at, shipped = waiting.pop()
        shipped = shipped and not is_macro(packages[at])
        if found.get(at) or (at in found and not shipped):
            continue
        found[at] = shipped
        for dep in nodes[at]["deps"]:
            kinds = {k["kind"] for k in dep["dep_kinds"]}
            if None in kinds:
                waiting.append((dep["pkg"], shipped))
            elif "build" in kinds:
                waiting.append((dep["pkg"], False))
    return found


def licence(text):
    # The old way to write OR; the grammar of SPDX does not know it.
    return [{"expression": text.replace(" / ", " OR ").replace("/", " OR ")}] if text else []


def crate(package, shipped, checksums):
    name, version = package["name"], package["version"]
    entry = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{version}",
        "name": name,
        "version": version,
        "scope": "required" if shipped else "excluded",
        "licenses": licence(package["license"]),
    }
    if package["source"]:
        entry["purl"] = entry["bom-ref"]
        checksum = checksums.get((name, version))
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}] if checksum else []
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return {k: v for k, v in entry.items() if v}


def page_packages():
    """Packages of the page's lock file that are no development tools."""
    with open("dashboard/ui/package-lock.json", encoding="utf-8") as file:
        locked = json.load(file)["packages"]
    needed, waiting = set(), list(IN_PAGE)
    while waiting:
        name = waiting.pop()
        if name not in needed and f"node_modules/{name}" in locked:
            needed.add(name)
            waiting.extend(locked[f"node_modules/{name}"].get("dependencies", {}))
    for path, package in sorted(locked.items()):
        name = path.rpartition("node_modules/")[2]
        if not name or package.get("dev") or package.get("optional"):
            continue
        purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        entry = {
            "type": "library",
            "bom-ref": f"{purl}#{path}" if path.count("node_modules") > 1 else purl,
            "name": name,
            "version": package["version"],
            "scope": "required" if name in needed else "excluded",
            "licenses": licence(package.get("license", "")),
            "purl": purl,
        }
        yield {k: v for k, v in entry.items() if v}


def commit_time():
    """The time of the commit: the same commit gives the same file."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        stamp = int(epoch)
    else:
        command = ["git", "log", "-1", "--format=%ct"]
        stamp = int(subprocess.run(command, check=True, capture_output=True).stdout)
    import datetime

    at = datetime.datetime.fromtimestamp(stamp, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    packages, nodes = cargo_graph()
    root = next(i for i, p in packages.items() if p["name"] == "ioc" and not p["source"])
    found = reached(root, packages, nodes)
    with open("Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in locked}
    ref = {i: f"pkg:cargo/{packages[i]['name']}@{packages[i]['version']}" for i in found}
    crates = [crate(packages[i], s, checksums) for i, s in found.items() if i != root]
    page = list(page_packages())
    graph = [
        {"ref": ref[i], "dependsOn": sorted(ref[d["pkg"]] for d in nodes[i]["deps"] if d["pkg"] in found)}
        for i in found
    ]
    ui = next(g for g in graph if g["ref"].startswith("pkg:cargo/ioc-ui@"))
    ui["dependsOn"] = sorted({*ui["dependsOn"], *(p["bom-ref"] for p in page if p["scope"] == "required")})
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": commit_time(),
            "component": {
                "type": "application",
                "bom-ref": ref[root],
                "name": "ioc",
                "version": packages[root]["version"],
                "licenses": licence(packages[root]["license"]),
            },
        },
        "components": sorted(crates, key=lambda c: c["bom-ref"]) + page,
        "dependencies": sorted(graph, key=lambda g: g["ref"]),
    }
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(bom, out, indent=1, ensure_ascii=False)
        out.write("\n")
    ours = sum(1 for i, s in found.items() if s and not packages[i]["source"])
    shipped = sum(1 for c in crates if c["scope"] == "required") - (ours - 1)
    in_page = sum(1 for p in page if p["scope"] == "required")
    print(f"{sys.argv[1]}: {shipped} crates of others and {ours} of ours in the binary, "
          f"{in_page} packages in the page, {len(crates) + len(page) - shipped - ours + 1 - in_page} that build them")


main()
