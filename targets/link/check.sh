#!/usr/bin/env bash
# Proves in two ways that the core, and the `no_std` crates on top of it, use no standard library unless asked to. Each
# way has a canary: the same build with the core's `std` feature must fail for the right reason. Otherwise the check
# proves nothing.
#
#   1. A static library with its own panic handler: the one of std would be a second, which is an error.
#   2. A toolchain folder that holds only core and alloc: any `extern crate std` is an error. This checks every crate in
#      the tree, used or not.
set -euo pipefail
cd "$(dirname "$0")/../.."

output=$(mktemp)
trap 'rm -f "$output"' EXIT

must_build() { # WHAT COMMAND...
  if "${@:2}" >"$output" 2>&1; then
    echo "no std: $1"
  else
    cat "$output"
    echo "error: $1 does not build without std"
    exit 1
  fi
}

must_fail_with() { # PATTERN WHAT COMMAND...
  if "${@:3}" >"$output" 2>&1; then
    echo "error: the canary was not noticed: $2 builds, so this check proves nothing"
    exit 1
  elif ! grep -qE "$1" "$output"; then
    cat "$output"
    echo "error: the canary failed for another reason than $1: $2"
    exit 1
  fi
  echo "canary noticed: $2"
}

link() { cargo build --release --manifest-path targets/link/Cargo.toml --target-dir target/link "$@"; }

must_build "static library, no features" link
must_build "static library, alloc" link --features alloc
must_fail_with 'E0152.*panic_impl' "static library, std" link --features canary

host=$(rustc --print host-tuple)
sysroot=$PWD/target/link/sysroot
libraries=lib/rustlib/$host/lib
rm -rf "$sysroot" && mkdir -p "$sysroot/$libraries"
ln -s "$(rustc --print sysroot)/$libraries"/lib{core,alloc,compiler_builtins}-* "$sysroot/$libraries/"

# With --target, RUSTFLAGS leaves build scripts and procedural macros alone; those need std.
bare() {
  RUSTFLAGS="--sysroot $sysroot" \
    cargo check --lib --no-default-features --target "$host" --target-dir target/link "$@"
}

must_build "whole tree, no features" bare -p happens-before
must_build "whole tree, alloc" bare -p happens-before --features alloc
must_build "whole tree, alloc and serde" bare -p happens-before --features alloc,serde
must_build "whole tree, replicated" bare -p happens-before-replicated
must_fail_with "E0463.*\`std\`|can't find crate for \`std\`" "whole tree, std" bare -p happens-before --features std
