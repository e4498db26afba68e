#!/bin/sh
# Installs the Debian packages that a purpose needs, if dpkg says that one is missing.
# usage: deploy/deps.sh PURPOSE...      purposes: build run test lint fuzz deb size
# As root, or with sudo.  Prints nothing when nothing is missing.
set -eu

packages_of() {
	case $1 in
	build) echo gcc libc6-dev make pkg-config libcoap3-dev libmicrohttpd-dev libgnutls28-dev libgmp-dev libpq-dev \
		libssl-dev libjansson-dev libinih-dev libcurl4-openssl-dev libdivsufsort-dev liblzma-dev libzstd-dev \
		libp11-kit-dev libjemalloc-dev ;;
	run) echo postgresql ;;
	test) echo postgresql openssl gnutls-bin python3 python3-pytest python3-requests python3-cbor2 python3-cryptography \
		python3-yaml python3-jsonschema binutils slowhttptest softhsm2 opensc gcc-arm-none-eabi libnewlib-arm-none-eabi python3-venv \
		python3-dev ;;
	lint) echo git clang clang-format-14 clang-tidy-14 cppcheck universal-ctags systemd ;;
	fuzz) echo clang libclang-rt-dev ;;
	deb) echo dpkg-dev binutils ;;
	size) echo make python3 gcc-arm-none-eabi libnewlib-arm-none-eabi ;;
	*) echo "deps.sh: unknown purpose \"$1\"; take build, run, test, lint, fuzz, deb or size" >&2; return 1 ;;
	esac
}

missing=
for purpose in "$@"; do
	packages=$(packages_of "$purpose")
	for package in $packages; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[ "$status" = installed ] || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "deps.sh: please install, as root:$missing" >&2; exit 1; }
	as_root=sudo
fi

echo "installing:$missing"

# The PostgreSQL package makes and starts a database of its own when it is installed.  We want the
# programs alone, so it is told not to, for as long as this takes.
quiet=/etc/postgresql-common/createcluster.d/muster-deps.conf
cleanup() { $as_root rm -f "$quiet"; }
case " $missing " in
*" postgresql "*)
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	$as_root mkdir -p "${quiet%/*}"
	echo "create_main_cluster = false" | $as_root tee "$quiet" >/dev/null
	;;
esac

log=$(mktemp)
run_apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null || {
		cat "$log" >&2
		rm -f "$log"
		echo "deps.sh: apt-get $1 failed" >&2
		exit 1
	}
}
run_apt update
# shellcheck disable=SC2086 # a list of package names
run_apt install -y --no-install-recommends $missing
rm -f "$log"
