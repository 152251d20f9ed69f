#!/usr/bin/env python3
"""Finds hard sentences in the documentation of all crates and in the Markdown pages.

There are two rules. The first line of a doc comment names the item, so it does not begin with a question word: on a
page of documentation, these lines are the index. And "behind" means lag, never a later place in an order. It is rare enough
for a person to read all its lines.

Run it from the root of the project: `python3 .ci/prose.py`. With `--list` it prints every line that it counts. The
limits below may only shrink.
"""

import re
import subprocess
import sys
from pathlib import Path

QUESTION = re.compile(r"(What|Why|Who|Whom|Whose|Where|Whether|Which)\b(?!.*\?)")
BEHIND = re.compile(r"\bbehind\b", re.I)
# The most lines for each rule.
LIMITS = {"question words": 0, "behind": 20}


def first_lines(text):
    """The first line of each doc comment, with its number; of items and of modules."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        found = re.match(r"\s*(//[/!])(?!/)\s?(.*)", line)
        before = lines[number - 2] if number > 1 else ""
        if found and not re.match(rf"\s*{re.escape(found[1])}(?!/)", before):
            yield number, found[2]


def doc_lines(name, text):
    """Every line of documentation, with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r"\s*//[/!](?!/)\s?(.*)", line)
        if name.endswith(".md"):
            yield number, line
        elif found:
            yield number, found[1]


def findings(name, text):
    """The findings in a file: the rule, the number of the line, the line."""
    if name.endswith(".rs"):
        for number, line in first_lines(text):
            if QUESTION.match(line):
                yield "question words", number, line
    if name != "CHANGELOG.md":
        for number, line in doc_lines(name, text):
            for _ in BEHIND.findall(line):
                yield "behind", number, line


def canaries():
    """Each must be found, or this script proves nothing."""
    sure = [
        ("question words", "a.rs", "/// What became of a write.\nfn a() {}"),
        ("question words", "a.rs", "//! Where a message waits."),
        ("behind", "a.rs", "/// The log lies\n/// behind the counter.\nfn a() {}"),
        ("behind", "a.md", "All that comes behind it."),
    ]
    for rule, name, text in sure:
        if [found[0] for found in findings(name, text)] != [rule]:
            sys.exit(f"the canary was not noticed: {text!r}")
    if list(findings("a.rs", "/// A write.\n/// What it costs is said there.\nfn a() {}\nlet what = behind;")):
        sys.exit("a correct line was reported")
    return len(sure) + 1


def main():
    print(f"{canaries()} canaries noticed")
    names = subprocess.check_output(["git", "ls-files", "*.rs", "*.md"], text=True).split()
    counts = dict.fromkeys(LIMITS, 0)
    shown = []
    for name in names:
        if not Path(name).exists():
            continue
        for rule, number, line in findings(name, Path(name).read_text()):
            counts[rule] += 1
            shown.append((rule, f"{name}:{number}: {line.strip()}"))
    over = {rule for rule, count in counts.items() if count > LIMITS[rule]}
    for rule, line in shown:
        if rule in over or "--list" in sys.argv:
            print(f"{rule}: {line}")
    for rule, count in counts.items():
        print(f"{rule}: {count}, at most {LIMITS[rule]}")
    sys.exit("above the limits of .ci/prose.py: rewrite these lines in plain English" if over else 0)


if __name__ == "__main__":
    main()
