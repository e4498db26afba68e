#!/bin/sh
# What each unit exposes, as systemd itself counts it: at most 1.1 of 10.  Needs no running systemd.
set -eu
threshold=11 # tenths
if ! command -v systemd-analyze >/dev/null || ! systemd-analyze --help | grep -q offline; then
	echo "exposure.sh: skipped: systemd-analyze is missing, or older than version 250"
	exit 0
fi
for unit in deploy/systemd/*.service; do
	out=$(systemd-analyze security --offline=true --no-pager --threshold=$threshold "$unit" 2>&1) || {
		echo "$out" | grep -v '✓' >&2
		echo "exposure.sh: $unit exposes more than 1.1" >&2
		exit 1
	}
	echo "$out" | tail -n 1 | sed 's/^[^A-Za-z]*//'
done
