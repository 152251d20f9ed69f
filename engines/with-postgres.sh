#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, on loopback, in a temporary directory, and stops the server
# whatever happens:
#
#   engines/with-postgres.sh cargo test -p happens-before-engines --features postgres
#
# The command finds the server by HAPPENS_BEFORE_POSTGRES, a connection string. "$HAPPENS_BEFORE_POSTGRES_CRASH", run as a
# command, kills all its processes at once with signal 9, and starts it again. HAPPENS_BEFORE_PGBOUNCER is the connection
# string of a PgBouncer in front of it, in transaction mode, if there is a PgBouncer or it can be installed.
#
# HAPPENS_BEFORE_POSTGRES_CERTIFICATES is a folder, if there is openssl. The server has TLS then, with a certificate for
# localhost that root.crt has signed; other.crt has signed nothing. The users needs_password, only_tls and only_plain may
# connect as their names say.
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

[ $# -gt 0 ] || { sed -n '2,17s/^# \?//p' "$0"; exit 2; }

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
  { "${apt[@]}" update && "${apt[@]}" -y --no-install-recommends install postgresql pgbouncer >/dev/null; } || true
  if ! find_binaries; then
    echo "with-postgres.sh: there is no PostgreSQL here, and it cannot be installed (package postgresql)" >&2
    [ -z "${CI:-}" ] || exit 1
    echo "with-postgres.sh: SKIPPED: $*" >&2
    exit 0
  fi
fi

# A pooler is nice to have: without one, the tests that need it say that they skip.
find_pooler() { pooler=$(command -v pgbouncer || ls /usr/sbin/pgbouncer 2>/dev/null); }
if ! find_pooler && [ -n "${CI:-}" ]; then
  apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -y --no-install-recommends install pgbouncer >/dev/null || true
  find_pooler || true
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
  [ ! -s "$directory/pooler/pid" ] || kill "$(cat "$directory/pooler/pid")" || true
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
ports=$(python3 - <<'PORT'
import random, socket
ports = set()
while len(ports) < 2:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port := random.randrange(10_000, 32_000)))
            ports.add(port)
        except OSError:
            pass
print(*ports)
PORT
)
read -r port pooler_port <<<"$ports"
# The log writer sleeps long, so that what was not committed is not on the disk by chance when the server is killed.
cat >>"$directory/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
wal_writer_delay = 10s
recovery_init_sync_method = syncfs
max_connections = 200
CONF

# Certificates for TLS, and users that may connect in one way alone. The clients that do not ask for TLS go without.
certificates=
if command -v openssl >/dev/null; then
  certificates=$directory/data/certificates
  "${as[@]}" mkdir "$certificates"
  authority() { # NAME
    "${as[@]}" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" \
      -keyout "$certificates/$1.key" -out "$certificates/$1.crt"
  }
  {
    authority root && authority other
    "${as[@]}" openssl req -newkey rsa:2048 -nodes -subj /CN=server \
      -keyout "$certificates/server.key" -out "$certificates/server.csr"
    printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' | "${as[@]}" tee "$certificates/server.ext"
    "${as[@]}" openssl x509 -req -days 2 -in "$certificates/server.csr" -extfile "$certificates/server.ext" \
      -CA "$certificates/root.crt" -CAkey "$certificates/root.key" -CAcreateserial -out "$certificates/server.crt"
  } >"$directory/certificates" 2>&1 || { cat "$directory/certificates" >&2; exit 1; }
  cat >>"$directory/data/postgresql.conf" <<CONF
ssl = on
ssl_cert_file = '$certificates/server.crt'
ssl_key_file = '$certificates/server.key'
CONF
fi
cat - "$directory/data/pg_hba.conf" >"$directory/hba" <<HBA
host all needs_password all scram-sha-256
hostnossl all only_tls all reject
hostssl all only_plain all reject
HBA
cat "$directory/hba" >"$directory/data/pg_hba.conf"
"${as[@]}" "$binaries/pg_ctl" -s -w -t 60 -D "$directory/data" -l "$directory/log" start

declare -p directory binaries port as >"$directory/crash.env"
script=$OLDPWD/$(basename "$0")
case $0 in /*) script=$0 ;; */*) script=$OLDPWD/$0 ;; esac
printf '#!/bin/sh\nexec "%s" --crash "%s"\n' "$script" "$directory/crash.env" >"$directory/crash"
chmod +x "$directory/crash"
export HAPPENS_BEFORE_POSTGRES="host=127.0.0.1 port=$port user=postgres dbname=postgres connect_timeout=10 sslmode=disable"
export HAPPENS_BEFORE_POSTGRES_CRASH=$directory/crash
[ -z "$certificates" ] || export HAPPENS_BEFORE_POSTGRES_CERTIFICATES=$certificates

# Few connections to the server, so that they change hands all the time.
if [ -n "$pooler" ]; then
  mkdir "$directory/pooler"
  cat >"$directory/pooler/ini" <<INI
[databases]
postgres = host=127.0.0.1 port=$port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler_port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
min_pool_size = 4
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
pidfile = $directory/pooler/pid
logfile = $directory/pooler/log
INI
  [ ${#as[@]} = 0 ] || chown -R "$user" "$directory/pooler"
  if "${as[@]}" "$pooler" -q -d "$directory/pooler/ini"; then
    export HAPPENS_BEFORE_PGBOUNCER="host=127.0.0.1 port=$pooler_port user=postgres dbname=postgres connect_timeout=10 sslmode=disable"
  else
    echo "with-postgres.sh: PgBouncer does not start" >&2
    [ -z "${CI:-}" ] || exit 1
  fi
fi
cd "$OLDPWD"
"$@"
