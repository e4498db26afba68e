#!/bin/sh
# Every header compiles alone, with gcc and with clang.
set -eu
bad=0
for h in $(git ls-files 'base/*.h' 'suit/*.h' 'db/*.h' 'certs/*.h' 'core/*.h' 'api/*.h' 'server/*.h' 'cli/*.h' 'agent/*.h'); do
	for cc in gcc clang; do
		printf '#include "%s"\n' "$h" | $cc -std=gnu11 -D_GNU_SOURCE -I. -isystem /usr/include/postgresql -isystem /usr/include/p11-kit-1 -Wall -Wextra -Werror -fsyntax-only -x c - ||
			{ echo "$h: does not compile alone ($cc)"; bad=1; }
	done
done
exit $bad
