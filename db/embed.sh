#!/bin/sh
# Writes the migrations as C: { "0001-base", "<sha256>", "text" }, in order.
set -eu
for f in "$@"; do
	name=$(basename "$f" .sql)
	sum=$(sha256sum "$f" | cut -d' ' -f1)
	printf '{ "%s", "%s",\n' "$name" "$sum"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$f"
	printf '},\n'
done
