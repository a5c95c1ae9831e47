#!/usr/bin/env bash
# Throughput and latency of the whole chain (journal, rules, embedded history) with the generator
# on the same machine. Bounded; ends what it started. CPU per message is the figure to trust.
set -euo pipefail
: "${BIN:?folder of the release binaries}"
SECONDS_EACH=${SECONDS_EACH:-20}
DEVICES=${DEVICES:-1000}
CONNECTIONS=${CONNECTIONS:-50}
RATES=${RATES:-"50000 100000 200000"}
WATCH_RATE=${WATCH_RATE:-10000}
data=$(mktemp -d)
out=$data/out.txt
"$BIN/ioc" run --data "$data/ioc" --mqtt-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --log warn >"$out" 2>"$data/ioc.log" &
pid=$!
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$data"' EXIT
for _ in $(seq 200); do grep -q '^ready ' "$out" && break; sleep 0.05; done
mqtt=$(sed -n 's/^ready mqtt=\([^ ]*\).*/\1/p' "$out")
http=$(sed -n 's/^ready .*http=\([^ ]*\).*/\1/p' "$out")
password=$(sed -n 's/^first start: user admin with password //p' "$out")
hz=$(getconf CLK_TCK)
cpu() { awk '{print $14+$15}' "/proc/$pid/stat"; }
received() { curl -fsS "http://$http/metrics" | awk '/^ioc_messages_total.*outcome="received"/{s+=$2} END{print s+0}'; }
memory() { awk '/VmRSS|VmHWM/{printf "%s %.1f MiB  ", $1, $2/1024}' "/proc/$pid/status"; }
for rate in $RATES; do
  echo "== offered $rate msg/s, $DEVICES devices, $CONNECTIONS connections, QoS 1, $SECONDS_EACH s"
  c0=$(cpu); r0=$(received)
  "$BIN/ioc-sim" load --target "mqtt://$mqtt" --rate "$rate" --devices "$DEVICES" --connections "$CONNECTIONS" --qos 1 --seconds "$SECONDS_EACH"
  c1=$(cpu); r1=$(received)
  awk -v c=$((c1-c0)) -v n=$((r1-r0)) -v hz="$hz" 'BEGIN{printf "ioc: %d messages, %.2f µs CPU per message\n", n, c/hz*1e6/n}'
  memory; echo
done
echo "== publish → alert frame at a WebSocket client, $WATCH_RATE msg/s"
"$BIN/ioc-sim" load --target "mqtt://$mqtt" --rate "$WATCH_RATE" --devices "$DEVICES" --connections "$CONNECTIONS" --qos 1 --seconds "$SECONDS_EACH" --watch "http://$http" --user admin --password "$password"
echo "== ledger"
curl -fsS "http://$http/metrics" | grep -E '^ioc_(messages|records)_total' 
