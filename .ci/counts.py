#!/usr/bin/env python3
"""Counts the instructions of each row of benches/counts.rs, and compares them with benches/counts.json.

    python3 .ci/counts.py                  counts all rows; fails if one is more than 3 per cent worse
    python3 .ci/counts.py --only delivery  only the rows with this word in their name
    python3 .ci/counts.py --bless          writes the counts to benches/counts.json, to be committed with the change

The program is built optimised and run under callgrind, one process for each row. Only `counts::measured` is counted. The
numbers are instructions for one operation of the row: a message, a comparison, an encoded value.

The counts are the same in every run on one system. In another folder a row can differ by 0.2 per cent: the stack begins
elsewhere, and the C library fills memory in steps that depend on that. The counts differ with the compiler, the C
library, valgrind, and the vector instructions of the processor. The file names the ones that it was made with, and
nothing is compared on other systems. On one system the counts change with the compiler's inlining, so code that a row does not run
can change its count. To see the instructions of each line, take the path that `cargo bench --bench counts --no-run`
prints, and run

    valgrind --tool=callgrind --toggle-collect='counts::measured*' PATH --row 'NAME'
    callgrind_annotate callgrind.out.*

A row that is missing from the file, or from the program, is an error, so that no row is lost unnoticed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FILE = Path("benches/counts.json")
TOLERANCE = 0.03
# The second does a tenth more than the first.
CANARIES = ("canary", "canary, a tenth more")


def output(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def environment():
    """The dependencies of the counts, other than the code."""
    flags = re.search(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.M)
    # Valgrind supports no wider vectors.
    wide = "with" if flags and "avx2" in flags[1].split() else "without"
    return {
        "rustc": output("rustc", "--version").strip(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": output("valgrind", "--version").strip(),
        "processor": f"{platform.machine()} {wide} AVX2",
    }


def build():
    """Builds the program and returns its path.

    One unit of code generation for what is counted: with several, the compiler's division of the code into units decides
    what can be inlined, and a new function moves rows that have nothing to do with it.
    """
    command = ["cargo", "bench", "-p", "happens-before-benches", "--bench", "counts", "--no-run"]
    for package in ("happens-before", "happens-before-benches"):
        command += ["--config", f"profile.bench.package.{package}.codegen-units=1"]
    settings = {name: value for name, value in os.environ.items() if not name.endswith("RUSTFLAGS")}
    settings["CARGO_INCREMENTAL"] = "0"
    messages = output(*command, "--message-format=json-render-diagnostics", env=settings).splitlines()
    targets = [message for message in map(json.loads, messages) if message["reason"] == "compiler-artifact"]
    return next(target["executable"] for target in targets if target["target"]["name"] == "counts")


def count(program, row):
    """The instructions of one operation of `row`."""
    # With no environment: its length, too, moves the stack.
    done = subprocess.run(
        [shutil.which("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        + ["--toggle-collect=counts::measured*", program, "--row", row],
        capture_output=True, text=True, env={},
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not collected or collected[1] == "0":
        sys.exit(f"{row}: nothing was counted\n{done.stderr}")
    return round(int(collected[1]) / int(done.stdout), 2)


def compare(old, new):
    """The changes, as (row, fault or None, line of the table)."""
    for row in sorted(old | new):
        before, after = old.get(row), new.get(row)
        if before is None or after is None:
            fault, ratio = "NEW" if before is None else "GONE", ""
        else:
            ratio = after / before
            fault = "WORSE" if ratio > 1 + TOLERANCE else "BETTER" if ratio < 1 - TOLERANCE else None
            ratio = f"{ratio:.3f}"
        cells = ["" if value is None else f"{value:.2f}" for value in (before, after)]
        yield row, fault, f"{row:<62} {cells[0]:>11} {cells[1]:>11} {ratio:>7}  {fault or ''}".rstrip()


def check_canaries(usual, more):
    """Rows with a tenth more and a tenth less work must be noticed, or this script proves nothing."""
    same = {"a row that stays": 1.0}
    for before, after, expected in (usual, more, "WORSE"), (more, usual, "BETTER"), (usual, usual, None):
        faults = [fault for _, fault, _ in compare(same | {"canary": before}, same | {"canary": after})]
        if faults != [None, expected] or not 1.09 < more / usual < 1.11:
            sys.exit(f"the canary was not noticed: {before} and then {after} instructions, {faults}")
    print("canaries noticed")


def write(environment, rows):
    lines = [f"    {json.dumps(row)}: {rows[row]:.2f}" for row in sorted(rows)]
    head = json.dumps(environment, indent=4).replace("\n}", "\n  }")
    FILE.write_text('{\n  "environment": %s,\n  "rows": {\n%s\n  }\n}\n' % (head, ",\n".join(lines)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bless", action="store_true", help=f"write {FILE}")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the rows with this word in their name")
    arguments = parser.parse_args()

    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed")
        return
    here = environment()
    committed = json.loads(FILE.read_text()) if FILE.exists() else {"environment": here, "rows": {}}
    same = committed["environment"] == here
    if not same and not arguments.bless:
        print(f"SKIPPED: {FILE} has the counts of another system. Here they may differ without a change:")
        for name, value in here.items():
            if committed["environment"].get(name) != value:
                print(f"  {name}: {committed['environment'].get(name)} there, {value} here")
        print("With --bless the rows are counted and written anyway.")
        return
    if not same and arguments.only:
        sys.exit("the file is from another system: bless all of it, without --only")

    program = build()
    rows = [row for row in output(program, "--list").splitlines() if row not in CANARIES and arguments.only in row]
    if not rows:
        sys.exit(f"no row has '{arguments.only}' in its name")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        usual, more, *counts = pool.map(lambda row: count(program, row), [*CANARIES, *rows])
    check_canaries(usual, more)

    new = dict(zip(rows, counts))
    old = {row: value for row, value in committed["rows"].items() if arguments.only in row}
    changes = list(compare(old, new))
    print(f"{'instructions for one operation':<62} {'committed':>11} {'now':>11} {'ratio':>7}")
    for _, _, line in changes:
        print(line)

    if arguments.bless:
        others = {row: value for row, value in committed["rows"].items() if arguments.only not in row}
        write(here, others | new)
        return
    better = sum(fault == "BETTER" for _, fault, _ in changes)
    wrong = sum(fault not in (None, "BETTER") for _, fault, _ in changes)
    if better:
        print(f"{better} better by more than 3 per cent. To keep the gain: python3 .ci/counts.py --bless")
    if wrong:
        sys.exit(
            f"{wrong} worse by more than 3 per cent, new or gone. If this is intended: python3 .ci/counts.py --bless, "
            f"commit {FILE}, and give the reason in the commit message"
        )


if __name__ == "__main__":
    main()
