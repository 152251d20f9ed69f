#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, on loopback, in a temporary directory, and stops the server
# whatever happens:
#
#   engines/with-postgres.sh cargo test -p happens-before-engines --features postgres
#
# The command finds the server by HAPPENS_BEFORE_POSTGRES, a connection string. "$HAPPENS_BEFORE_POSTGRES_CRASH", run as a
# command, kills all its processes at once with signal 9, and starts it again.
#
# The server is that of HAPPENS_BEFORE_POSTGRES_BIN, of Debian's package, or of the PATH; where there is none, it is
# installed if that is possible. Else this fails if CI is set, and without it says that it skips.
set -Eeuo pipefail

if [ "${1:-}" = --crash ]; then
  # shellcheck source=/dev/null
  . "$2" # directory, binaries, port, as
  server=$(head -1 "$directory/data/postmaster.pid")
  kill -STOP "$server" # so that it has no more children than are listed
  read -ra children <"/proc/$server/task/$server/children" || true
  kill -9 "${children[@]}" "$server"
  for process in "${children[@]}" "$server"; do
    while [ -e "/proc/$process" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$process/status"; do sleep 0.01; done
  done
  # A process that nobody has waited for yet looks alive to the next server.
  rm -f "$directory/data/postmaster.pid"
  exec "${as[@]}" "$binaries/pg_ctl" -s -w -t 60 -D "$directory/data" -l "$directory/log" start
fi

[ $# -gt 0 ] || { sed -n '2,12s/^# \?//p' "$0"; exit 2; }

find_binaries() {
  local candidate
  for candidate in "${HAPPENS_BEFORE_POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin \
    "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
    [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ] && binaries=$candidate
  done
  [ -n "${binaries:-}" ]
}

if ! find_binaries; then
  export DEBIAN_FRONTEND=noninteractive
  apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  { "${apt[@]}" update && "${apt[@]}" -y --no-install-recommends install postgresql >/dev/null; } || true
  if ! find_binaries; then
    echo "with-postgres.sh: there is no PostgreSQL here, and it cannot be installed (package postgresql)" >&2
    [ -z "${CI:-}" ] || exit 1
    echo "with-postgres.sh: SKIPPED: $*" >&2
    exit 0
  fi
fi

# The server refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
  user=postgres
  id -u "$user" >/dev/null 2>&1 || user=nobody
  as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --)
fi

directory=$(mktemp -d "${TMPDIR:-/tmp}/happens-before-postgres.XXXXXX")
stop() {
  local status=$?
  if [ -f "$directory/data/postmaster.pid" ]; then
    "${as[@]}" "$binaries/pg_ctl" -s -m immediate -w -D "$directory/data" stop || true
  fi
  [ "$status" = 0 ] || tail -n 20 "$directory/log" >&2 || true
  rm -rf "$directory"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ ${#as[@]} = 0 ] || chown "$user" "$directory"
cd /
"${as[@]}" "$binaries/initdb" -D "$directory/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$directory/initdb" 2>&1 ||
  { cat "$directory/initdb" >&2; exit 1; }
sync -f "$directory"
# Below the ports that the system gives to clients: one that calls a server which is down could be given the server's own
# port, and would be connected to itself, for ever.
port=$(python3 - <<'PORT'
import random, socket
while True:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port := random.randrange(10_000, 32_000)))
            break
        except OSError:
            pass
print(port)
PORT
)
# The log writer sleeps long, so that what was not committed is not on the disk by chance when the server is killed.
cat >>"$directory/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
wal_writer_delay = 10s
recovery_init_sync_method = syncfs
max_connections = 200
CONF
"${as[@]}" "$binaries/pg_ctl" -s -w -t 60 -D "$directory/data" -l "$directory/log" start

declare -p directory binaries port as >"$directory/crash.env"
script=$OLDPWD/$(basename "$0")
case $0 in /*) script=$0 ;; */*) script=$OLDPWD/$0 ;; esac
printf '#!/bin/sh\nexec "%s" --crash "%s"\n' "$script" "$directory/crash.env" >"$directory/crash"
chmod +x "$directory/crash"
export HAPPENS_BEFORE_POSTGRES="host=127.0.0.1 port=$port user=postgres dbname=postgres connect_timeout=10"
export HAPPENS_BEFORE_POSTGRES_CRASH=$directory/crash
cd "$OLDPWD"
"$@"
