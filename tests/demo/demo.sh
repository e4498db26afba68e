#!/bin/sh
# The demo (make demo): eight devices run version 1; version 2 reaches all of them in stages, and
# each proves it; version 3 is bad and is stopped at the first device.  Ends with 0 only if all of
# that happened.  Nothing keeps running; var/ stays, and `make run` opens it again.
set -eu
. "$(dirname "$0")/lib.sh"
began=$(date +%s)

# --- set the stage ---------------------------------------------------------------------------

remove_old() {
	[ -e "$VAR" ] || return 0
	[ -f "$VAR/made-by-demo" ] || fail "$VAR is there and is not the demo's; please move it away"
	if [ -f "$VAR/database" ]; then
		old=$(cat "$VAR/database")
		case $old in /var/tmp/muster-demo.*) rm -rf "$old" ;; esac
	fi
	rm -rf "$VAR"
	done_line cleared "what the last demo left in var/"
}

build_firmware() {
	started=$(date +%s)
	build_programs "$BUILD/firmware/agent-1" "$BUILD/firmware/agent-2" "$BUILD/firmware/agent-3-hangs"
	for name in 1 2 3-hangs; do
		install -D -m 755 "$BUILD/firmware/agent-$name" "$VAR/firmware/agent-${name%-hangs}"
	done
	done_line built "musterd, muster and three versions of the agent, $(($(date +%s) - started)) s"
}

make_author() {
	mkdir -p "$VAR/author"
	quietly muster key new author/author.pem --no-passphrase
	quietly muster class create "$CLASS"
	quietly muster key register author/author.pem.pub --class "$CLASS"
	kid=$(muster key show author/author.pem.pub --plain | cut -f 1)
	ids=$(muster class ls --plain | awk -F '\t' -v class="$CLASS" '$1 == class { print $3, $4 }')
	vendor_id=${ids% *} class_id=${ids#* }
	done_line author "key $kid may sign for $CLASS; the server never holds it"
}

# Odd devices have a certificate, even ones a pre-shared key.
make_device() {
	folder=$VAR/devices/$1
	mkdir -p "$folder"
	case $1 in
	*[13579])
		quietly muster device add "$1" --cert --out-dir "$folder" --attribute kind=cert
		credential="cert_file = $1.crt
key_file = $1.key
ca_file = ca.crt"
		;;
	*)
		quietly muster device add "$1" --psk --out "$folder/$1.psk" --attribute kind=psk
		credential="psk_file = $1.psk"
		;;
	esac
	cp "$VAR/author/author.pem.pub" "$folder/author.pub"
	cat >"$folder/agent.conf" <<-END
	endpoint = $1
	server = coaps://127.0.0.1:$coaps_port
	$credential
	vendor_id = $vendor_id
	class_id = $class_id
	anchor = author.pub
	state_dir = state
	observe = yes
	poll_max_s = 2
	retry_min_ms = 200
	retry_max_ms = 2000
	trial_s = 8
	trial_tries = 1
	END
	(cd "$folder" && quietly "$BUILD/muster-launcher" provision -c agent.conf --image "$VAR/firmware/agent-1")
}

set_up_fleet() {
	for name in $DEVICES; do
		make_device "$name"
		start_device "$name"
	done
	wait_until 30 all_run 1 || fail "only $(devices_running 1) of 8 devices came; see $VAR/devices/*/log"
	done_line fleet "8 agents run version 1: 4 by certificate, 4 by pre-shared key"
}

# --- the acts --------------------------------------------------------------------------------

# release VERSION NAME: from the file to a started campaign.
release() {
	show release create "firmware/agent-$1" --class "$CLASS" --version "$1" --key author/author.pem \
		>"$VAR/release-$1.log" 2>&1 || {
		cat "$VAR/release-$1.log" >&2
		fail "no release"
	}
	head -n 1 "$VAR/release-$1.log"
	show campaign create --release "$1" --name "$2" --all --stages 1,50%,100% --soak 2s \
		--silent-after 60s >"$VAR/campaign-$1.log" 2>&1 || {
		cat "$VAR/campaign-$1.log" >&2
		fail "no campaign"
	}
	head -n 1 "$VAR/campaign-$1.log"
	show campaign start "$2" 2>/dev/null
}

# Does a device run this file, by the server's word and by what the machine executes?
device_runs() {
	wanted=$(sha256sum <"$VAR/firmware/agent-$2" | cut -d ' ' -f 1)
	muster device show "$1" --plain | cut -f 7 | grep -qx "main $wanted" || return 1
	slot=$VAR/devices/$1/state/$3.bin
	[ "$(sha256sum <"$slot" | cut -d ' ' -f 1)" = "$wanted" ] || return 1
	[ -d /proc/self ] || return 0 # a chroot without /proc has only the server's word
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe" 2>/dev/null)" != "$slot" ] || return 0
	done
	return 1
}

first_act() {
	heading "Act 1: version 2 goes to one device, then to half, then to all"
	release 2 second
	show campaign status second --watch || fail "the campaign did not finish"
	for name in $DEVICES; do
		device_runs "$name" 2 b || fail "$name does not run version 2"
	done
	done_line verified "all 8 run version 2 from their other slot and proved its digest"
}

second_act() {
	heading "Act 2: version 3 starts, but never confirms"
	release 3 third
	code=0
	show campaign status third --watch || code=$?
	[ "$code" -eq 5 ] || fail "the campaign was not stopped (exit code $code)"
	muster campaign jobs third --plain >"$VAR/jobs-3"
	touched=$(awk -F '\t' '$3 != "queued" { print $1 }' "$VAR/jobs-3")
	[ "$(echo "$touched" | wc -w)" -eq 1 ] || fail "touched: $touched"
	bad=$(sha256sum <"$VAR/firmware/agent-3" | cut -d ' ' -f 1)
	for name in $DEVICES; do
		holds=$(sha256sum "$VAR/devices/$name/state/"*.bin | grep -c "^$bad" || true)
		[ "$name" = "$touched" ] || [ "$holds" -eq 0 ] || fail "$name holds version 3"
		device_runs "$name" 2 b || fail "$name does not run version 2"
	done
	# What the server was told of the update: progress, and at the end the launcher's word.
	muster device events "$touched" --json >"$VAR/events-3"
	! grep -qE '"state": "(failed|rejected)"' "$VAR/events-3" || fail "$touched reported an error"
	done_line verified "only $touched was touched, the other 7 never saw version 3"
	done_line verified "its launcher brought version 2 back, and it proved that too"
	done_line verified "the gate paused the campaign, though no error report ever came"
}

heading "Muster: signed updates for fleets of small devices"
sh "$ROOT/deploy/deps.sh" build run
remove_old
build_firmware
cd "$VAR"
stop_on_exit
set_up_server
log_in
make_author
set_up_fleet
first_act
second_act

heading "All of it held, in $(($(date +%s) - began)) s.  Try next:"
cat <<END
  make run                opens this very fleet again, and says how to look at it
  ${BUILD#"$ROOT/"}/muster help       the command line
  make check              every test
  docs/ARCHITECTURE.md    how it is built
END
