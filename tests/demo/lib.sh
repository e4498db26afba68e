# What demo.sh and run.sh share: a private PostgreSQL, musterd on loopback, and a fleet of agents,
# all under var/.  Sourced, not run.  Every process that is started here is stopped by stop_all,
# by its own process id.
#
#   var/server    configuration, state and log of musterd
#   var/home      the login of `muster`
#   var/author    the author's key: not on the server, not on the devices
#   var/devices   one folder a device: configuration, credential, two slots
#   var/firmware  what was released
#   var/database  the cluster; or, when the user postgres cannot come here, a file that names the
#                 folder under /var/tmp where it lies

ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
VAR=$ROOT/var
DEVICES="demo-1 demo-2 demo-3 demo-4 demo-5 demo-6 demo-7 demo-8"
CLASS=demo.example/agent
export XDG_CONFIG_HOME="$VAR/home"
export no_proxy=127.0.0.1
export LC_ALL=C.UTF-8

musterd_pid=
launcher_pids=
socket_dir=
database_up=

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') red=$(printf '\033[31m')
	plain=$(printf '\033[0m')
else
	bold='' dim='' green='' red='' plain=''
fi

heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
done_line() { printf '  %s✓%s %-12s %s\n' "$green" "$plain" "$1" "$2"; }
fail() {
	printf '  %s✗%s %s\n' "$red" "$plain" "$*" >&2
	exit 1
}

# Runs muster and shows what was typed.
show() {
	printf '  %s$ muster %s%s\n' "$dim" "$*" "$plain"
	muster "$@"
}
muster() { "$BUILD/muster" "$@"; }

# Runs a command whose output matters only when it fails.
quietly() {
	"$@" >"$VAR/last.log" 2>&1 || {
		cat "$VAR/last.log" >&2
		fail "failed: $*"
	}
}

# wait_until SECONDS COMMAND...: true as soon as the command is.
wait_until() {
	tries=$(($1 * 5))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}

build_programs() {
	mkdir -p "$VAR"
	: >"$VAR/made-by-demo"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$ROOT" -s -j "$(nproc)" BUILD="$BUILD" all "$@" \
		>"$VAR/build.log" 2>&1 || {
		tail -n 30 "$VAR/build.log" >&2
		fail "the build failed"
	}
}

# --- PostgreSQL ------------------------------------------------------------------------------

as_postgres() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && exec runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

find_postgres() {
	PGBIN=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
	[ -n "$PGBIN" ] || fail "PostgreSQL's programs are not installed; try: deploy/deps.sh run"
	PGBIN=${PGBIN%/initdb}
}

database_dir() {
	if [ -f "$VAR/database" ]; then cat "$VAR/database"; else echo "$VAR/database"; fi
}

# The cluster belongs to an unprivileged user, who may not be able to enter this folder.
make_database() {
	mkdir -p "$VAR/database"
	if [ "$(id -u)" -eq 0 ]; then
		chown postgres "$VAR/database"
		if ! as_postgres test -w "$VAR/database"; then
			rmdir "$VAR/database"
			data=$(mktemp -d /var/tmp/muster-demo.XXXXXX)
			chown postgres "$data"
			echo "$data" >"$VAR/database"
		fi
	fi
	chmod 700 "$(database_dir)"
	as_postgres "$PGBIN/initdb" -D "$(database_dir)" -U muster -A trust -E UTF8 --locale=C.UTF-8 \
		--no-instructions >"$VAR/initdb.log" 2>&1 || {
		cat "$VAR/initdb.log" >&2
		fail "initdb failed"
	}
}

# A socket's path may have 107 bytes: it lies in a short folder, and no port is opened at all.
start_database() {
	socket_dir=$(mktemp -d /tmp/muster.XXXXXX)
	[ "$(id -u)" -ne 0 ] || chown postgres "$socket_dir"
	database_up=1
	as_postgres "$PGBIN/pg_ctl" -D "$(database_dir)" -l "$socket_dir/log" -w -t 60 \
		-o "-c listen_addresses='' -c unix_socket_directories='$socket_dir'" start >/dev/null 2>&1 || {
		cat "$socket_dir/log" >&2
		fail "PostgreSQL does not start"
	}
	conninfo="host=$socket_dir user=muster dbname=postgres"
}

# --- musterd ---------------------------------------------------------------------------------

random_port() {
	echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
}

write_server_conf() {
	cat >"$VAR/server/musterd.conf" <<-END
	[server]
	state_dir = $VAR/server/state
	[database]
	conninfo = $conninfo
	[http]
	listen = 127.0.0.1:$https_port
	[coap]
	listen = 127.0.0.1:$coaps_port
	END
}

musterd() { "$BUILD/musterd" "$@" -c "$VAR/server/musterd.conf"; }

musterd_runs() { [ -n "$musterd_pid" ] && kill -0 "$musterd_pid" 2>/dev/null; }
musterd_is_ready() {
	musterd_runs || return 0
	grep -q ' serving' "$VAR/server/log" 2>/dev/null
}

# A port may be taken: then another one is tried, unless devices know it already.
start_musterd() {
	for attempt in 1 2 3 4 5; do
		if [ -f "$VAR/server/ports" ]; then
			read -r https_port coaps_port <"$VAR/server/ports"
		else
			https_port=$(random_port) coaps_port=$(random_port)
		fi
		write_server_conf
		: >"$VAR/server/log"
		"$BUILD/musterd" serve -c "$VAR/server/musterd.conf" >>"$VAR/server/log" 2>&1 &
		musterd_pid=$!
		wait_until 30 musterd_is_ready || fail "musterd is not ready; see $VAR/server/log"
		if musterd_runs; then
			echo "$https_port $coaps_port" >"$VAR/server/ports"
			url=https://127.0.0.1:$https_port
			return 0
		fi
		[ ! -f "$VAR/server/ports" ] || break
	done
	tail -n 5 "$VAR/server/log" >&2
	fail "musterd does not start"
}

# A new server, with a new database and a new CA.
set_up_server() {
	find_postgres
	make_database
	start_database
	done_line PostgreSQL "private, on a unix socket"
	mkdir -p "$VAR/server/state"
	https_port=0 coaps_port=0
	write_server_conf
	{ musterd migrate && musterd ca init --name "Muster demo"; } >"$VAR/server/setup.log" 2>&1 || {
		cat "$VAR/server/setup.log" >&2
		fail "musterd cannot be set up"
	}
	start_musterd
	done_line musterd "$url and coaps://127.0.0.1:$coaps_port"
}

# The one-time secret makes the first admin.
log_in() {
	mkdir -p "$VAR/home"
	(umask 077 && musterd bootstrap >"$VAR/home/secret" 2>>"$VAR/server/setup.log")
	musterd ca show >"$VAR/home/root.pem" 2>>"$VAR/server/setup.log"
	muster login "$url" --secret-file "$VAR/home/secret" --ca "$VAR/home/root.pem" \
		>"$VAR/home/login.log" 2>&1 || {
		cat "$VAR/home/login.log" >&2
		fail "cannot log in"
	}
	rm -f "$VAR/home/secret"
	(umask 077 && sed -n 's/^ *"token": "\(.*\)".*/\1/p' "$VAR/home/muster/login.json" >"$VAR/home/token")
	done_line "logged in" "as admin, by the one-time secret; the server's CA is pinned"
}

# --- devices ---------------------------------------------------------------------------------

start_device() {
	# From its own folder, so that a long path does no harm.
	(
		cd "$VAR/devices/$1"
		exec "$BUILD/muster-launcher" run -c agent.conf >>log 2>&1
	) &
	launcher_pids="$launcher_pids $!"
}

# The number of devices that run a version, as the server knows it.
devices_running() {
	muster device ls --plain | awk -F '\t' -v version="$1" '$2 == "active" && $5 == version' | wc -l
}
all_run() { [ "$(devices_running "$1")" -eq 8 ]; }

# --- the end ---------------------------------------------------------------------------------

stop_all() {
	set +e
	trap '' INT TERM
	for pid in $launcher_pids $musterd_pid; do
		kill "$pid" 2>/dev/null
	done
	for pid in $launcher_pids $musterd_pid; do
		wait "$pid" 2>/dev/null
	done
	if [ -n "$database_up" ]; then
		as_postgres "$PGBIN/pg_ctl" -D "$(database_dir)" -m fast -w -t 60 stop >/dev/null 2>&1
	fi
	[ -z "$socket_dir" ] || rm -rf "$socket_dir"
}

stop_on_exit() {
	trap stop_all EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}
