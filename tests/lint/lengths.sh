#!/bin/sh
# Function and file lengths.  Prints median, p95 and the longest; fails over the limits of docs/STYLE.md:
# functions: median <= 20, p95 <= 60, none over 100; files <= 800 lines.
set -eu
files=$(git ls-files 'base/*.c' 'suit/*.c' 'db/*.c' 'certs/*.c' 'core/*.c' 'api/*.c' 'server/*.c' 'cli/*.c' 'agent/*.c')
ctags -x --languages=C --c-kinds=f --_xformat='%{end} %{line} %N %F' $files |
	awk 'NF == 4 && $1 ~ /^[0-9]+$/ { print $1 - $2 + 1, $3, $4 }' | sort -n |
	awk '{ n[NR] = $1; name[NR] = $2 " in " $3 }
	END {
		if (!NR) { print "lengths: no function found"; exit 1 }
		m = n[int((NR + 1) / 2)]; p = n[int(NR * 0.95 + 0.999)]
		printf "functions: %d, median %d, p95 %d, longest %d\n", NR, m, p, n[NR]
		for (i = NR; i > NR - 5 && i > 0; i--) printf "  %4d %s\n", n[i], name[i]
		exit !(m <= 20 && p <= 60 && n[NR] <= 100)
	}'
bad=0
for f in $(git ls-files '*.c' '*.h' '*.py' '*.sh'); do
	lines=$(wc -l < "$f")
	[ "$lines" -le 800 ] || { echo "$f: $lines lines, over 800"; bad=1; }
done
exit $bad
