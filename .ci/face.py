#!/usr/bin/env python3
"""Counts the public items of the crates, and finds names with two meanings.

    python3 .ci/face.py              # from api/*.txt, and from the sources of the crates that are not there
    python3 .ci/face.py FOLDER       # from other files of the same form

Prints a line for each crate: the number of public types (structures, enumerations, traits, aliases), of errors among
them, of names at the root, and of methods of its types and traits.

Fails if the root of the core has other names than `ROOT`, or if two public types have one name, in one crate or in two:
then a type has two paths, or two types share a name. Fails also if the table of the front page, in src/lib.rs, does not
have ten rows, or differs from the table of the README.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

# The names at the root of the core, and no others.
ROOT = set(
    """CausalOrder Dot NodeId LamportClock HybridClock VersionVector CausalContext Message CausalSender CausalBuffer
    DagBuffer Endpoint Publisher Subscriber""".split()
)
# Names that every state machine has; they are read with their module.
SHARED = {"Command", "Outcome"}
# The crates whose interface is not in api/.
SOURCES = {"simulation": "simulation/src", "lab": "lab/src"}

KIND = r"(?:#\[[^\]]*\] )*pub (?:struct|enum|union|trait|type) "


class Face:
    """The public items of one crate: its types with their paths, and three counts."""

    def __init__(self, types, errors, methods, root):
        self.types, self.errors, self.methods, self.root = types, errors, methods, root

    @classmethod
    def of_interface(cls, text):
        """Reads lines such as `pub struct crate::module::Name<T>`."""
        crate = text.split()[2]  # it begins with `pub mod` and the name
        types, errors, methods, inherent = [], 0, 0, True
        for line in text.splitlines():
            if line.startswith("impl"):
                inherent = " for " not in line
                errors += "core::error::Error for" in line
            elif found := re.match(KIND + r"(\w+(?:::\w+)+)(?!.*>::\w+ =)", line):
                path = tuple(found[1].split("::"))
                # A path within a type is the associated type of a trait's implementation.
                if path[0] == crate and path[-2][0].islower():
                    types.append(path)
                    inherent = True
            elif inherent and re.match(r"pub (?:const |async |unsafe )*fn [\w:<>, ]*::[A-Z]", line):
                methods += 1
        return cls(types, errors, methods, {path[-1] for path in types if len(path) == 2})

    @classmethod
    def of_sources(cls, texts):
        """Reads source files, by name."""
        types, errors, methods = [], 0, 0
        for name, text in texts.items():
            text = re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", text)[0]
            types += [(name, found) for found in re.findall(r"^pub (?:struct|enum|union|trait|type) (\w+)", text, re.M)]
            errors += len(re.findall(r"error::Error for|\bError for", text))
            methods += len(re.findall(r"^    pub (?:const |async )*fn ", text, re.M))
        root = {name for line in re.findall(r"^pub use ([^;]+);", texts.get("lib.rs", ""), re.M)
                for name in re.findall(r"\b[A-Z]\w*", line)}
        return cls(types, errors, methods, root)


def faults(faces, root):
    """The faults of the public items of crates, a line each; `root` names the core."""
    if root in faces and (odd := faces[root].root ^ ROOT):
        yield f"the root of {root} has other names than ROOT in .ci/face.py: {', '.join(sorted(odd))}"
    paths = defaultdict(list)
    for face in faces.values():
        for path in face.types:
            paths[path[-1]].append("::".join(path))
    for name, found in sorted(paths.items()):
        if len(found) > 1 and name not in SHARED:
            yield f"{name} is the name of several public types, or has several paths: {', '.join(found)}"


def front_page(lib, readme):
    """The faults of the tables of the front page and of the README, a line each."""
    plain = re.sub(r"^//! ?", "", re.sub(r"\[(`[^`]*`)\](\([^)]*\))?", r"\1", lib), flags=re.M)
    front, other = (re.findall(r"^\| I want to \.\.\. (?:.*\n)(?:\|.*\n)+", text, re.M) for text in (plain, readme))
    if len(front) != 1 or front[0].count("\n") != 12:
        yield "the front page does not have one table of ten rows"
    elif other != front:
        yield "the table of the README differs from that of the front page"


def canaries():
    """Each must be noticed, or this script proves nothing."""
    root = "\n".join(["pub mod core", *(f"pub struct core::{name}<T>" for name in sorted(ROOT))])
    inner = "pub enum core::room::Kind\npub fn core::room::Kind::get(&self) -> u64\n"
    trait = "impl core::error::Error for core::room::Kind\npub type core::room::Kind::Error = u64\n"
    cases = [
        ("a face that is right", {"core": f"{root}\n{inner}{trait}"}, []),
        ("a name too many at the root", {"core": f"{root}\npub struct core::More"}, ["More"]),
        ("a name missing at the root", {"core": root.replace("pub struct core::Dot<T>\n", "")}, ["Dot"]),
        ("a type with two paths", {"core": f"{root}\n{inner}pub enum core::room::kind::Kind"}, ["Kind"]),
        ("two crates with one name", {"core": f"{root}\n{inner}", "other": "pub mod other\npub trait other::Kind: Sized"}, ["Kind"]),
        ("state machines", {"core": root, "a": "pub mod a\npub enum a::x::Command\npub enum a::y::Command"}, []),
    ]
    for name, texts, expected in cases:
        found = list(faults({crate: Face.of_interface(text) for crate, text in texts.items()}, "core"))
        if len(found) != len(expected) or not all(e in f for e, f in zip(expected, found)):
            sys.exit(f"the canary '{name}' was not judged right: {found}")
    face = Face.of_interface(f"{root}\n{inner}{trait}")
    if (len(face.types), face.errors, face.methods) != (len(ROOT) + 1, 1, 1):
        sys.exit(f"the canary is counted wrong: {face.types}, {face.errors}, {face.methods}")
    table = "| I want to ... | take |\n|---|---|\n" + "| do | `it` |\n" * 10
    front = "".join(f"//! {line}\n" for line in table.replace("`it`", "[`it`](a::it)").splitlines())
    for lib, readme, count in [(front, table, 0), (front, table.replace("do", "did", 1), 1), (front * 2, table, 1)]:
        if len(list(front_page(lib, readme))) != count:
            sys.exit("the canaries of the front page were not judged right")
    print(f"{len(cases) + 3} canaries noticed")


def main():
    canaries()
    files = sorted(Path(sys.argv[1] if len(sys.argv) > 1 else "api").glob("*.txt"))
    faces = {file.stem: Face.of_interface(file.read_text()) for file in files}
    for crate, folder in SOURCES.items():
        texts = {str(path.relative_to(folder)): path.read_text() for path in sorted(Path(folder).rglob("*.rs"))}
        faces[crate] = Face.of_sources(texts)
    print(f"{'crate':16} {'types':>6} {'errors':>7} {'at the root':>12} {'methods':>8}")
    for crate, face in faces.items():
        print(f"{crate:16} {len(set(face.types)):6} {face.errors:7} {len(face.root):12} {face.methods:8}")
    wrong = list(faults(faces, "happens-before"))
    wrong += front_page(Path("src/lib.rs").read_text(), Path("README.md").read_text())
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
