# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What quickstart, run-tests and .ci/run share: dependencies, bootstrap, build. Sourced by bash with TOP set.

CONFIGURE_STAMP=.configured-with

say()
{
	printf '\n== %s\n' "$*"
}

# die STATUS SENTENCE
die()
{
	printf '%s: %s\n' "${0##*/}" "$2" >&2
	exit "$1"
}

jobs_count()
{
	nproc 2>/dev/null || echo 2
}

# Print what a build lacks, a word each. $1 = tests: also what only the tests need.
missing_parts()
{
	local tool module
	for tool in make gcc pkg-config autoreconf automake libtoolize; do
		command -v "$tool" >/dev/null 2>&1 || echo "$tool"
	done
	if command -v pkg-config >/dev/null 2>&1; then
		for module in 'gnutls >= 3.7' libcurl libmicrohttpd jansson libdeflate libzip; do
			pkg-config --exists "$module" || echo "${module%% *}"
		done
		[ "$1" != tests ] || pkg-config --exists 'cmocka >= 1.1.5' || echo cmocka
	fi
	printf '#include <ev.h>\n' | gcc -E -x c - >/dev/null 2>&1 || echo libev
	if [ "$1" = tests ]; then
		python_for_tests >/dev/null || python3 -c 'import ensurepip' >/dev/null 2>&1 || echo python3-venv
	fi
}

print_package_names()
{
	cat >&2 <<'END'
Install these packages with your system's package manager, then run this again:
  Debian, Ubuntu  build-essential autoconf automake libtool pkg-config libgnutls28-dev libev-dev
                  libcurl4-gnutls-dev libmicrohttpd-dev libjansson-dev libdeflate-dev libzip-dev
                  libcmocka-dev python3-venv
  Fedora          gcc make autoconf automake libtool pkgconf-pkg-config gnutls-devel libev-devel
                  libcurl-devel libmicrohttpd-devel jansson-devel libdeflate-devel libzip-devel
                  libcmocka-devel python3
  Alpine          build-base bash linux-headers autoconf automake libtool pkgconf gnutls-dev libev-dev
                  curl-dev libmicrohttpd-dev jansson-dev libdeflate-dev libzip-dev cmocka-dev python3
  Arch            base-devel gnutls libev curl libmicrohttpd jansson libdeflate libzip cmocka python
END
}

is_debian_like()
{
	command -v apt-get >/dev/null 2>&1 && grep -Eq '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release 2>/dev/null
}

# install_missing build|tests; NO_INSTALL=1 only says what is missing.
install_missing()
{
	local missing packages sudo=()
	missing=$(missing_parts "$1")
	[ -n "$missing" ] || return 0
	printf 'Missing: %s\n' "$(tr '\n' ' ' <<<"$missing")"
	if [ "${NO_INSTALL:-0}" = 1 ] || ! is_debian_like; then
		print_package_names
		exit 3
	fi
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null 2>&1 || { print_package_names; exit 3; }
		sudo=(sudo)
	fi
	packages=(build-essential autoconf automake libtool pkg-config libgnutls28-dev libev-dev
		libmicrohttpd-dev libjansson-dev libdeflate-dev libzip-dev)
	# Any libcurl will do: the flavours conflict, so an installed one is left alone.
	if ! pkg-config --exists libcurl 2>/dev/null; then
		packages+=(libcurl4-gnutls-dev)
	fi
	if [ "$1" = tests ]; then
		packages+=(libcmocka-dev python3-venv)
	fi
	say "Installing with apt-get: ${packages[*]}"
	"${sudo[@]}" apt-get update -q ||
		echo 'apt-get update failed; going on with the package lists that are here' >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		"${packages[@]}" || die 3 'apt-get could not install what is missing: see above'
	missing=$(missing_parts "$1")
	[ -z "$missing" ] || die 3 "still missing after the installation: $(tr '\n' ' ' <<<"$missing")"
}

# Make configure, unless it is newer than what it is made from. make itself follows later changes of Makefile.am.
bootstrap()
{
	if [ -x "$TOP/configure" ] && [ -f "$TOP/Makefile.in" ] && [ -f "$TOP/build-aux/tap-driver.sh" ] &&
		[ -z "$(find "$TOP/configure.ac" "$TOP"/m4/gds-*.m4 -newer "$TOP/configure")" ]; then
		return 0
	fi
	say 'Bootstrapping (autoreconf)'
	mkdir -p "$TOP/build"
	quietly "$TOP/build/bootstrap.log" autoreconf -fi "$TOP"
}

# quietly LOG COMMAND...: the output is shown only when the command fails.
quietly()
{
	local log=$1
	shift
	if ! "$@" >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		die 3 "\"$1\" failed; the whole output is in $log"
	fi
}

# build_in FOLDER CONFIGURE-ARGUMENT...: configure there when the arguments are new, then make. FOLDER is right
# below TOP, and configure is run by a relative path: a clone may be moved.
build_in()
{
	local folder=$1
	shift
	mkdir -p "$folder"
	if [ ! -f "$folder/Makefile" ] || [ "$(cat "$folder/$CONFIGURE_STAMP" 2>/dev/null)" != "$*" ]; then
		say "Configuring in ${folder#"$TOP/"}${*:+ ($*)}"
		(cd "$folder" && quietly configure.log ../configure "$@")
		[ ! -f "$folder/$CONFIGURE_STAMP" ] || make -C "$folder" -s clean >/dev/null
		printf '%s\n' "$*" >"$folder/$CONFIGURE_STAMP"
	fi
	say "Building in ${folder#"$TOP/"}"
	quietly "$folder/make.log" make -C "$folder" -j "$(jobs_count)"
}

# Print a Python that has all that the tests import.
python_for_tests()
{
	local python
	for python in "${PYTHON:-}" "$TOP/build/venv/bin/python" python3; do
		if [ -n "$python" ] && "$python" -c 'import pytest, pytest_timeout, cryptography, hypothesis, OpenSSL, jsonschema, prometheus_client' 2>/dev/null; then
			command -v "$python"
			return 0
		fi
	done
	return 1
}

# Have such a Python: made in build/venv when the machine has none. Needs the network once.
prepare_python()
{
	python_for_tests >/dev/null && return 0
	say 'Making a Python environment in build/venv'
	mkdir -p "$TOP/build"
	quietly "$TOP/build/venv.log" python3 -m venv "$TOP/build/venv"
	quietly "$TOP/build/venv.log" "$TOP/build/venv/bin/python" -m pip install -q \
		-r "$TOP/tests/requirements.txt"
}

# Is there a Go on PATH that is new enough for the peer's go.mod? Debian 12's own is not, so it is never installed here.
go_is_usable()
{
	command -v go >/dev/null 2>&1 && (cd "$TOP/tests/interop/peer" && GOTOOLCHAIN=local go list -m) >/dev/null 2>&1
}
