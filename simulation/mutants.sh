#!/usr/bin/env bash
# Shows that the simulation finds mistakes: breaks a copy of the library in one place at a time, and runs the simulation
# over it until a seed fails.
#
#     simulation/mutants.sh             every patch in simulation/mutants/
#     simulation/mutants.sh page one    the patches with one of these words in their name
#
# The first line of a patch describes its fault. The output is a table with the run that finds each: the first failing
# seed, from 1 on. The script fails if a mutant is not found within RUNS runs (default 20,000), or if the copy fails
# without a patch. simulation/mutants/README.md holds the whole table.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${RUNS:-20000}
target=$PWD/target/mutants
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# The copy: the files that git tracks, as they are in the work tree.
git ls-files -z -- Cargo.toml Cargo.lock README.md src replicated simulation engines lab models benches examples tests testkit docs |
  xargs -0 tar -cf - --ignore-failed-read | tar -xmf - -C "$copy"

simulate() { # SCENARIO RUNS; prints the seed that fails, if one does
  (
    cd "$copy"
    RUSTFLAGS=-Awarnings cargo build --quiet --offline --release -p happens-before-simulation --example swarm --target-dir "$target" >&2
    ulimit -t 240 # seconds of processor time, so that a busy machine changes nothing; a mutant may loop for ever
    "$target/release/examples/swarm" --scenario "$1" --runs "$2" --find
  )
}

# The scenario that shows a mistake: total order, endpoints, or the buffers and senders on which endpoints are built.
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
row() { printf '| %-39s | %-84s | %-9s | %8s |\n' "$@"; } # MUTANT WORDS SCENARIO RUN
row mutant 'what it breaks' scenario 'found by'
row --- --- --- ---:
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
    row "$name" "$(head -n 1 "$patch")" "$scenario" "run $seed"
  else
    missed=$((missed + 1))
    row "$name" "$(head -n 1 "$patch")" "$scenario" none
    echo "$name is not found in $runs runs, exit code $status" >&2
    tail -n 20 "$copy/errors" >&2
  fi
  (cd "$copy" && git apply -C1 -R -) <"$patch"
done
printf '\n%d of %d found\n' $((tried - missed)) "$tried"
[ "$tried" -gt 0 ] && [ "$missed" = 0 ]
