#!/usr/bin/env bash
# Makes the Python environment of this folder's test, once, outside the checkout, and prints the
# path of its Python. Versions are pinned; a change of them makes a new environment.
set -euo pipefail
cd "$(dirname "$0")"
key=$(cat venv.sh requirements.txt | sha256sum | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests"
venv="$home/tls-$key"
if [ ! -e "$venv/ready" ]; then
  mkdir -p "$home"
  exec 9>"$home/tls.lock"
  flock 9
fi
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  {
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt
  } >&2
  touch "$venv/ready"
fi
echo "$venv/bin/python"
