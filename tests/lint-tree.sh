#!/usr/bin/env bash
# What clippy cannot see.
set -euo pipefail
cd "$(dirname "$0")/.."
fail=0
for f in $(git ls-files '*.sh' '.ci/run'); do bash -n "$f" || fail=1; done
if git ls-files | grep -E '(^|/)(node_modules|dist|target)/' ; then
  echo "build products are committed" >&2; fail=1
fi
if git grep -nE 'allow\((clippy|dead_code|unused)' -- '*.rs'; then
  echo "use #[expect(.., reason = \"…\")]" >&2; fail=1
fi
if git grep -nE '\btokio::spawn\(' -- '*.rs' ':!tests' ':!simulators' ':!*/benches/*' ':!*/tests/*' ':!*tests.rs' ':!*/tests_*.rs'; then
  echo "tasks are spawned on a tracker that is passed in" >&2; fail=1
fi
if git grep -nE '\b(process::Command|Command::new)\b' -- '*/src/*.rs' ':!tests' ':!simulators' ':!*/benches/*' ':!*/tests/*' \
  ':!*tests.rs' ':!rules/src/kinds/health/data.rs'; then
  echo "the binary starts no other program (docs/security/asvs.md 1.2.5)" >&2; fail=1
fi
exit $fail
