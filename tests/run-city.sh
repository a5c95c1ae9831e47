#!/usr/bin/env bash
# `make run`: starts the centre and the simulated city, and ends both together.
set -euo pipefail
mkdir -p "$DATA"
ready=$(mktemp)
"$BIN/ioc" run --data "$DATA" --mqtt-listen "$MQTT" --http-listen "$HTTP" > >(tee "$ready") &
ioc=$!
sim=
# Ctrl-C reaches both programs by itself, and a second signal would cut their orderly stop short.
finish() { trap - INT TERM; wait || true; rm -f "$ready"; }
stop() { for p in $sim $ioc; do kill "$p" 2>/dev/null || true; done; finish; }
trap 'finish; exit 0' INT
trap 'stop; exit 0' TERM
for _ in $(seq 300); do
  grep -q '^ready ' "$ready" && break
  kill -0 "$ioc" 2>/dev/null || { wait "$ioc"; code=$?; rm -f "$ready"; exit "$code"; }
  sleep 0.1
done
mqtt=$(sed -n 's/^ready mqtt=\([^ ]*\).*/\1/p' "$ready")
http=$(sed -n 's/^ready .*http=\([^ ]*\).*/\1/p' "$ready")
"$BIN/ioc-sim" city --target "mqtt://$mqtt" &
sim=$!
cat <<TEXT

  Đà Nẵng (simulated) is live:  http://$http/
  Sign in with the one-time link or the password printed above at the first start
  (lost it? $BIN/ioc user reset admin --data $DATA). Ctrl-C ends everything.

TEXT
wait "$ioc" || true
stop
