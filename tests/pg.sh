#!/bin/sh
# A private PostgreSQL for tests: unix socket only, no port taken, nothing shared.
#
#   tests/pg.sh start DIR            makes a cluster and starts it; last line: its conninfo
#   tests/pg.sh stop DIR             stops it and removes everything
#   tests/pg.sh down DIR [MODE]      stops the server alone (fast, immediate or smart)
#   tests/pg.sh up DIR               starts it again
#
# DIR may be anywhere, also where an unprivileged user cannot go: the cluster itself lies in a
# short folder under /tmp (socket paths end at 107 bytes), DIR holds a file that names it.
# Run as root, the server runs as user postgres.
set -eu

bin=${PGBIN:-}
for d in /usr/lib/postgresql/*/bin; do
	[ -n "$bin" ] || [ ! -x "$d/initdb" ] || bin=$d
done
[ -n "$bin" ] || { echo "pg.sh: PostgreSQL's server programs are not installed" >&2; exit 1; }

as_owner() {
	if [ "$(id -u)" -eq 0 ]; then
		cd / && runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

settings() {
	cat <<-END
	listen_addresses = ''
	unix_socket_directories = '$1'
	unix_socket_permissions = 0777
	max_connections = 100
	shared_buffers = 64MB
	log_min_messages = warning
	autovacuum_naptime = 10s
	END
}

up() {
	as_owner "$bin/pg_ctl" -D "$1/data" -l "$1/log" -w -t 60 start >/dev/null || {
		cat "$1/log" >&2
		return 1
	}
}

start() {
	home=$(mktemp -d /tmp/mpg.XXXXXX)
	chmod 755 "$home"
	mkdir "$home/data"
	[ "$(id -u)" -ne 0 ] || chown -R postgres "$home"
	mkdir -p "$1"
	echo "$home" > "$1/home"
	as_owner "$bin/initdb" -D "$home/data" -U muster -A trust -E UTF8 --locale=C.UTF-8 \
		--no-instructions >"$1/initdb.log" 2>&1 || { cat "$1/initdb.log" >&2; exit 1; }
	settings "$home" >> "$home/data/postgresql.conf"
	up "$home"
	echo "host=$home user=muster dbname=postgres"
}

home_of() {
	cat "$1/home" 2>/dev/null || true
}

case "${1:-} ${2:-}" in
start\ ?*) start "$2" ;;
up\ ?*) up "$(home_of "$2")" ;;
down\ ?*) as_owner "$bin/pg_ctl" -D "$(home_of "$2")/data" -m "${3:-fast}" -w -t 60 stop >/dev/null ;;
stop\ ?*)
	home=$(home_of "$2")
	case $home in
	/tmp/mpg.*)
		[ ! -f "$home/data/postmaster.pid" ] ||
			as_owner "$bin/pg_ctl" -D "$home/data" -m immediate -w -t 60 stop >/dev/null || true
		rm -rf "$home" "$2"
		;;
	esac
	;;
*)
	sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
