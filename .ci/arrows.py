#!/usr/bin/env python3
"""Finds arrows that point upwards, and circles, between the source files of each crate.

An arrow leads from a file that uses a name to the file that defines it. A use is a `use`, or a path that begins with
`crate`, `self` or `super`. Names that `pub use` passes on are followed to their definition. Passing on a name is no
arrow, and tests may use any name. A module within a file counts as the file.

Also finds deviations from the one style. A module with a folder has its file in the folder (`mod.rs`). No file includes
another by its path. Imports come from the standard library first, then from other crates, then from this crate, with at
most one `super`. Run from the root of the project: `python3 .ci/arrows.py`.
"""

import re
import sys
from pathlib import Path

CRATES = ["src", "replicated/src", "engines/src", "testkit/src", "simulation/src", "lab/src", "models/src"]

# Folders in which only the places of files are checked: tests may use any name, in any order.
OTHERS = ["tests", "engines/tests", "engines/examples", "lab/tests", "replicated/tests", "simulation/examples", "simulation/tests",
          "testkit/tests", "models/tests", "benches", "fuzz/fuzz_targets", "scoreboard/src", "targets/link/src"]

# The core, from the bottom to the top: a module may use those below it, and those on its own floor.
FLOORS = [
    ["atomic", "compat", "elapsed", "node", "order"],
    ["scalar", "version"],
    ["codec"],
    ["counter", "sequence"],
    ["delivery", "broadcast"],
    ["endpoint"],
]
# The oracle shares no code with the modules that it judges.
ORACLE, SEEN_BY_ORACLE = "check", {"check", "compat", "node", "order", "version"}


class Crate:
    """The source files of a crate: the names that each uses, and those that it passes on."""

    def __init__(self, root):
        """`root` is a folder, or a dictionary from file names to their text."""
        texts = root if isinstance(root, dict) else texts_of(root)
        self.files = {module_of(name): name for name in texts if name != "main.rs"}
        self.exports = {module: {} for module in self.files}
        self.named = {module: [] for module in self.files}
        for module, name in self.files.items():
            self.read(module, code(texts[name]))

    def read(self, module, text):
        for public, tree in re.findall(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", text):
            for path, name in expand(tree):
                target = self.absolute(module, path)
                if target and public:
                    self.exports[module].setdefault(name, []).append(target)
                elif target:
                    self.named[module].append(target)
        text = re.sub(r"\buse\s+[^;]+;", "", text)
        for path in re.findall(r"\b(?:crate|self|super)(?:::\w+)+", text):
            self.named[module].append(self.absolute(module, path.split("::")))

    def absolute(self, module, path):
        """The segments of `path` from the root of the crate; None if it leads into another crate."""
        if path[0] == "crate":
            return tuple(path[1:])
        base, relative = module, path[0] in ("self", "super") or module + (path[0],) in self.files
        while path and path[0] in ("self", "super"):
            base, path = base[:-1] if path[0] == "super" else base, path[1:]
        return base + tuple(path) if relative else None

    def definition(self, path, seen=()):
        """The module whose file defines the name at `path`."""
        module = path
        while module not in self.files:
            module = module[:-1]
        if len(path) == len(module) or (module, path) in seen:
            return module
        name, rest = path[len(module)], path[len(module) + 1 :]
        exports = self.exports[module]
        for target in exports.get(name, []):
            return self.definition(target + rest, (*seen, (module, path)))
        for target in exports.get("*", []):
            found = self.definition(target[:-1] + path[len(module) :], (*seen, (module, path)))
            if found != target[:-1] or len(exports["*"]) == 1:
                return found
        return module

    def arrows(self):
        """The modules that each module uses."""
        return {
            module: {self.definition(path) for path in paths} - {module, ()}
            for module, paths in self.named.items()
            if module
        }


def module_of(name):
    """`a/b.rs` and `a/b/mod.rs` are both the module a::b; `lib.rs` is the root."""
    parts = name.removesuffix(".rs").split("/")
    return tuple(parts[:-1] if parts[-1] in ("mod", "lib") else parts)


def code(text):
    """The text without comments, strings and the modules of tests at the end of the file."""
    text = re.split(r"#\[cfg\((?:all\()?(?:test|loom)\b[^\n]*\]\s*(?:#\[[^\n]*\]\s*)*(?:pub\S* )?mod \w+ \{", text)[0]
    return re.sub(r'//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"', "", text, flags=re.S)


def expand(tree, before=()):
    """The paths in the tree of a `use`, each with the name that it gets."""
    tree = tree.strip()
    head, brace, inside = tree.partition("{")
    before += tuple(part.strip() for part in head.split("::") if part.strip())
    if not brace:
        path, renamed, name = before[-1].partition(" as ") if before else ("", "", "")
        path = (*before[:-1], path.strip())
        if path[-1] == "self" and len(path) > 1:
            path = path[:-1]
        yield list(path), name.strip() if renamed else path[-1]
        return
    depth, start, inside = 0, 0, inside[: inside.rindex("}")] + ","
    for at, letter in enumerate(inside):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if inside[start:at].strip():
                yield from expand(inside[start:at], before)
            start = at + 1


def circle(arrows):
    """A circle, as the list of its members; None if there is none."""
    done = set()

    def walk(module, way):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return None
        for target in sorted(arrows.get(module, ())):
            if found := walk(target, [*way, module]):
                return found
        done.add(module)
        return None

    return next(filter(None, (walk(module, []) for module in sorted(arrows))), None)


def upwards(arrows):
    """The arrows of the core that the floors do not allow."""
    floor = {module: number for number, modules in enumerate(FLOORS) for module in modules}
    top = len(FLOORS)  # the floor of every module without one
    for module, targets in arrows.items():
        for target in targets:
            here, there = module[0], target[0]
            if here == ORACLE:
                wrong = there not in SEEN_BY_ORACLE
            else:
                wrong = here in floor and floor.get(there, top) > floor[here]
            if wrong:
                yield module, target


def style(texts, imports=True):
    """The deviations from the one style in the files of a crate, a line each."""
    folders = {str(Path(name).parent) for name in texts}
    modules = {module_of(name) for name in texts}
    for name, text in texts.items():
        if name.removesuffix(".rs") in folders:
            yield f"{name} stands beside its folder: call it {name.removesuffix('.rs')}/mod.rs"
        text = code(text)
        if "#[path" in text:
            yield f"{name} includes a file by its path"
        if not imports:
            continue
        if re.search(r"\buse super::super\b", text):
            yield f"{name} uses more than one `super`: begin with `crate`"
        heads = [found.split("::")[0] for found in re.findall(r"^use ([^;]+);", text, re.M)]
        ours = {"crate", "super", "self"} | {module[-1] for module in modules if module[:-1] == module_of(name) and module}
        ranks = [0 if head in ("core", "alloc", "std") else 2 if head in ours else 1 for head in heads]
        if ranks != sorted(ranks):
            yield f"{name} has its imports in the wrong order: standard library, then other crates, then own crate"


def texts_of(root):
    return {str(path.relative_to(root)): path.read_text() for path in sorted(Path(root).rglob("*.rs"))}


def faults(root, floors):
    """The faults of one crate, a line each."""
    crate = Crate(root)
    arrows = crate.arrows()
    file = lambda module: crate.files[module]
    if floors:
        for module, target in upwards(arrows):
            yield f"{file(module)} uses {file(target)}, which is on a higher floor, or on none"
    if found := circle(arrows):
        yield "a circle: " + " -> ".join(map(file, [*found, found[0]]))


def canaries():
    """Each must be noticed, or this script proves nothing."""
    circle_of_two = {
        "lib.rs": "mod node; mod order; pub use node::Node;",
        "node.rs": "use crate::order::{self, Order};",
        "order.rs": "pub struct Order; fn f(node: super::Node) {}",
    }
    upward = {"lib.rs": "", "node.rs": "use crate::delivery::Buffer;", "delivery/mod.rs": ""}
    nosy = {"lib.rs": "", "check/causal.rs": "use crate::{delivery::Buffer};", "delivery/mod.rs": ""}
    tested = {
        "lib.rs": "",
        "node.rs": "#[cfg(test)]\nmod tests { use crate::order::Order; }",
        "order.rs": "use crate::node;",
    }
    cases = [
        ("a circle", circle_of_two, ["circle"]),
        ("an arrow upwards", upward, ["higher floor"]),
        ("an oracle that looks", nosy, ["higher floor"]),
        ("tests that look", tested, []),
    ]
    styled = {
        "lib.rs": "use core::fmt;\nuse serde::Serialize;\nuse crate::a::A;\nuse a::B;",
        "a/mod.rs": "use super::C;",
    }
    wrong = {
        "lib.rs": "use crate::a::A;\nuse core::fmt;",
        "a.rs": '#[path = "../x.rs"]\nmod x;',
        "a/b.rs": "use super::super::C;",
    }
    if found := list(style(styled)):
        sys.exit(f"the canary of style was not judged right: {found}")
    if len(found := list(style(wrong))) != 4:
        sys.exit(f"the canaries of wrong style were not judged right: {found}")
    for name, texts, expected in cases:
        found = list(faults(texts, True))
        if len(found) != len(expected) or not all(e in f for e, f in zip(expected, found)):
            sys.exit(f"the canary '{name}' was not judged right: {found}")
    print(f"{len(cases) + 2} canaries noticed")


def main():
    canaries()
    wrong = [
        f"{root}: {fault}"
        for root in CRATES
        for fault in faults(Path(root), root == "src")
    ]
    wrong += [f"{root}: {fault}" for root in CRATES for fault in style(texts_of(root))]
    wrong += [f"{root}: {fault}" for root in OTHERS for fault in style(texts_of(root), imports=False)]
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
