#!/usr/bin/env bash
# Shows that the simulation finds mistakes: breaks a copy of the library in one place after another, and runs the
# simulation over each until a seed fails.
#
#     simulation/mutants.sh             every patch in simulation/mutants/
#     simulation/mutants.sh page one    those with one of these in their name
#
# Each patch begins with a line that says what it breaks. Prints a table of mutant, seed, and runs until found, and
# fails if one is not found within RUNS runs, 20,000 unless set; or if the copy fails without a patch.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${RUNS:-20000}
target=$PWD/target/mutants
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# What is built: what git knows, as it lies in the work tree.
git ls-files -z -- Cargo.toml Cargo.lock README.md src simulation engines lab models benches examples tests |
  xargs -0 tar -cf - --ignore-failed-read | tar -xf - -C "$copy"

simulate() { # SCENARIO RUNS; prints the seed that fails, if one does
  (
    cd "$copy"
    RUSTFLAGS=-Awarnings cargo build --quiet --offline --release -p happens-before-simulation --example swarm --target-dir "$target" >&2
    timeout 120 "$target/release/examples/swarm" --scenario "$1" --runs "$2" --find
  )
}

# The scenario that shows a mistake: of total order; what endpoints do about it; or what everything stands on.
scenario_of() { # MUTANT
  case $1 in
    broadcast-*) echo broadcast ;;
    endpoint-*) echo endpoint ;;
    *) echo buffer ;;
  esac
}

for scenario in buffer endpoint broadcast; do
  if ! seed=$(simulate "$scenario" 300); then
    echo "without a patch, seed $seed of scenario $scenario fails" >&2
    exit 1
  fi
done

missed=0 tried=0
printf '%-41s %-9s %8s %8s\n' mutant scenario seed runs
for patch in simulation/mutants/*.patch; do
  name=$(basename "$patch" .patch)
  grep -qE "$(IFS='|' && echo "$*")" <<<"$name" || continue
  tried=$((tried + 1))
  (cd "$copy" && git apply -C1 -) <"$patch" || {
    echo "$name no longer applies; adapt it to the source" >&2
    exit 1
  }
  scenario=$(scenario_of "$name") status=0
  seed=$(simulate "$scenario" "$runs" 2>"$copy/errors") || status=$?
  if [ "$status" = 1 ] && [ -n "$seed" ]; then
    # Seeds begin with 1 and are tried in their order.
    printf '%-41s %-9s %8d %8d\n' "$name" "$scenario" "$seed" "$seed"
  else
    missed=$((missed + 1))
    printf '%-41s %-9s NOT FOUND in %d runs, exit code %d\n' "$name" "$scenario" "$runs" "$status"
    tail -n 20 "$copy/errors"
  fi
  (cd "$copy" && git apply -C1 -R -) <"$patch"
done
echo "$((tried - missed)) of $tried found"
[ "$tried" -gt 0 ] && [ "$missed" = 0 ]
