#!/bin/sh
# make run: the server in the foreground, with the fleet that the demo left in var/; or, where
# there was no demo, a new server without devices.  Ctrl-C stops everything.
set -eu
. "$(dirname "$0")/lib.sh"

heading "Muster: signed updates for fleets of small devices"
sh "$ROOT/deploy/deps.sh" build run
build_programs
stop_on_exit
trap 'exit 0' INT TERM
if [ -f "$VAR/server/ports" ]; then
	find_postgres
	start_database
	start_musterd
	done_line musterd "$url and coaps://127.0.0.1:$coaps_port"
	for name in $DEVICES; do
		[ ! -d "$VAR/devices/$name" ] || start_device "$name"
	done
	done_line fleet "$(echo "$launcher_pids" | wc -w) agents of the demo"
else
	set_up_server
	log_in
fi

heading "Ready.  Ctrl-C stops it.  In another shell:"
cat <<END
  $BUILD/muster login $url --ca $VAR/home/root.pem --token-file $VAR/home/token
  $BUILD/muster device ls
  $BUILD/muster campaign ls
  $BUILD/muster help
END
code=0
wait "$musterd_pid" || code=$?
tail -n 5 "$VAR/server/log" >&2
fail "musterd ended by itself ($code); its log is $VAR/server/log"
