#!/usr/bin/env bash
#
# servers.sh makes the five upstreams of the tests available without touching the system's packages.
#
#   scripts/servers.sh          fetch what is missing; silent and quick when nothing is
#   scripts/servers.sh --list   print name, version and path of what the cache has
#   scripts/servers.sh --mirror print the address of this machine's Debian mirror
#   scripts/servers.sh --help   print this
#
# Everything lands in .cache/servers below the repository, or in $AOFSIDECAR_SERVERS_DIR (a relative one
# counts from the repository):
#
#   <cache>/<name>/bin/         wrappers: *-server, *-cli, *-check-aof, *-check-rdb, *-benchmark
#   <cache>/<name>/VERSION      the server's own version
#   <cache>/sysroot/            one set of shared libraries, new enough for all of them
#
# The packages come from the Debian mirror that this machine's apt is configured with, verified by the
# machine's Debian keyring, through a private apt configuration: no root, no installed package, no list
# of the system changes. The wrappers find everything relative to themselves, so the cache may be moved.
#
# Exit: 0 all servers are there, 1 one cannot be had (it is named), 2 wrong usage.

set -euo pipefail

# name, package, suite. The suite "sid" moves: the name stays, VERSION says what it was on the day of the fetch.
SERVERS=(
	"redis-7.0 redis-tools bookworm"
	"valkey-8.0 valkey-tools bookworm-backports"
	"redis-8.0 redis-tools trixie"
	"valkey-8.1 valkey-tools trixie"
	"valkey-9.1 valkey-tools sid"
)

# What the servers are linked against, and what those libraries need in turn. The newest suite that has a
# library gives it: symbols are only ever added, so sid's serve bookworm's binaries.
LIBRARIES=(
	libc6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libgcc-s1 libsystemd0 libcap2 zlib1g libzstd1
)

# Part of the stamp: a change of the layout makes every older cache incomplete.
readonly LAYOUT=1

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${AOFSIDECAR_SERVERS_DIR:-.cache/servers}
[[ $cache == /* ]] || cache=$repo/$cache
work=

say() { printf 'servers.sh: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# tools_of prints the wrapper names of a server: redis-server redis-cli ...
tools_of() {
	local program=${1%%-*} tool
	for tool in server cli check-aof check-rdb benchmark; do
		printf '%s-%s\n' "$program" "$tool"
	done
}

# has reports whether the cache holds a server with all its wrappers.
has() {
	local tool
	[[ -s $cache/$1/VERSION ]] || return 1
	for tool in $(tools_of "$1"); do
		[[ -x $cache/$1/bin/$tool ]] || return 1
	done
}

# complete reports whether nothing is to be done.
complete() {
	local entry
	[[ -f $cache/STAMP && $(<"$cache/STAMP") == "$LAYOUT" ]] || return 1
	for entry in "${SERVERS[@]}"; do
		has "${entry%% *}" || return 1
	done
}

list() {
	local entry name
	for entry in "${SERVERS[@]}"; do
		name=${entry%% *}
		if has "$name"; then
			printf '%s\t%s\t%s\n' "$name" "$(<"$cache/$name/VERSION")" "$cache/$name/bin"
		fi
	done
}

# mirror prints the address of the Debian archive that this machine uses. The lists know it; where they
# were removed, as container images do, the configured sources do.
mirror() {
	local found
	# shellcheck disable=SC2016 # the $(...) are apt's
	found=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 2>/dev/null | sed -n 's/^Debian //p' | head -n 1) || true
	if [[ -z $found ]]; then
		found=$(apt-get update --print-uris 2>/dev/null |
			sed -n "s,^'\(.*/\)dists/\([a-z]*\)/InRelease'.*,\1,p" | head -n 1) || true
	fi
	[[ -n $found ]] || die "no Debian mirror in this machine's apt configuration: needed for redis and valkey packages"
	printf '%s\n' "$found"
}

# platform prints the library directory and the loader of this architecture.
platform() {
	case $(dpkg --print-architecture) in
	amd64) echo x86_64-linux-gnu ld-linux-x86-64.so.2 ;;
	arm64) echo aarch64-linux-gnu ld-linux-aarch64.so.1 ;;
	*) die "no servers for architecture $(dpkg --print-architecture): known are amd64 and arm64" ;;
	esac
}

# private_apt writes an apt configuration that shares only the network settings with the system's. It is
# read after the system's own (apt-get -c), so it may clear the hooks that work on the system's lists.
private_apt() {
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/apt/etc"
	: >"$work/apt/status"
	cat >"$work/apt/apt.conf" <<-CONF
		Dir::State "$work/apt";
		Dir::State::lists "$work/apt/lists";
		Dir::State::status "$work/apt/status";
		Dir::Cache "$work/apt/cache";
		Dir::Cache::pkgcache "pkgcache.bin";
		Dir::Cache::srcpkgcache "srcpkgcache.bin";
		Dir::Etc::sourcelist "$work/apt/etc/debian.sources";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear Acquire::IndexTargets::deb::DEP-11;
		#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
		#clear Acquire::IndexTargets::deb::DEP-11-icons;
		#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
		#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
		#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::AllowInsecureRepositories "false";
		Acquire::AllowWeakRepositories "false";
		APT::Get::AllowUnauthenticated "false";
		APT::Sandbox::User "$(id -un)";
	CONF
}

# sources names the suites to read and the keyring that must have signed them.
sources() {
	local keyring=$1
	shift
	cat >"$work/apt/etc/debian.sources" <<-SOURCES
		Types: deb
		URIs: $archive
		Suites: $*
		Components: main
		Signed-By: $keyring
	SOURCES
}

# complaints prints what apt last complained about, on one line.
complaints() { grep -E '^(E|W|Err):' "$work/log" | tail -n 3 | tr '\n' ' '; }

apt() { apt-get -q -y -c "$work/apt/apt.conf" "$@" >>"$work/log" 2>&1; }

# machine_keyring prints the Debian keyring of this machine.
machine_keyring() {
	local file
	for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		if [[ -s $file ]]; then
			printf '%s\n' "$file"
			return
		fi
	done
	die "no Debian keyring on this machine (package debian-archive-keyring): packages cannot be verified"
}

# newer_keyring fetches the keyring package of the newest stable suite, verified by the machine's
# keyring, and prints the keyring in it: sid's key may be younger than this machine.
newer_keyring() {
	sources "$(machine_keyring)" trixie
	apt update || return 1
	fetch "$work/keyring" debian-archive-keyring || return 1
	local file
	for file in "$work"/keyring/usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		[[ -s $file ]] && readlink -f "$file" && return
	done
	return 1
}

# update reads the lists of all suites; apt refuses those whose signature it cannot verify.
update() {
	local suites keyring
	suites=$(printf '%s\n' "${SERVERS[@]}" | awk '{print $3}' | sort -u | tr '\n' ' ')
	sources "$(machine_keyring)" "$suites"
	apt update && return
	say "this machine's keyring does not verify every suite; trying the keyring of Debian trixie"
	keyring=$(newer_keyring) || return 1
	sources "$keyring" "$suites"
	apt update
}

# fetch downloads packages (name or name/suite) and unpacks them into one folder.
fetch() {
	local into=$1 debs deb
	shift
	debs=$(mktemp -d "$work/deb.XXXXXX")
	(cd "$debs" && apt download "$@") || return 1
	mkdir -p "$into"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$into" || return 1
	done
}

# wrapper writes one tool of a server. Server, check-aof and check-rdb are the same binary, which looks
# at its argv[0]; packages ship it as check-rdb. exec keeps the pid that the caller started.
wrapper() {
	local file=$1 tool=$2 binary=$3
	cat >"$file" <<-WRAPPER
		#!/bin/sh
		self=\$0
		[ ! -L "\$self" ] || self=\$(readlink -f "\$self")
		here=\${self%/*}
		lib=\$here/../../sysroot/$libdir
		exec "\$lib/$loader" --inhibit-cache --argv0 $tool --library-path "\$lib" "\$here/../libexec/$binary" "\$@"
	WRAPPER
	chmod 755 "$file"
}

# install_sysroot unpacks the libraries and keeps only those.
install_sysroot() {
	fetch "$work/root" "${LIBRARIES[@]}" || { say "the libraries cannot be had: ${LIBRARIES[*]}"; return 1; }
	mkdir -p "$work/new/sysroot"
	mv "$work/root/usr/lib/$libdir" "$work/new/sysroot/$libdir"
	[[ -x $work/new/sysroot/$libdir/$loader ]] || { say "libc6 has no $loader"; return 1; }
}

# install_server unpacks one server, proves that it runs with the sysroot, and puts it in place.
install_server() {
	local name=$1 package=$2 suite=$3 program=${2%-tools} tool binary version
	local new=$work/new/$name
	fetch "$work/$name" "$package/$suite" || { say "$name: package $package of Debian $suite cannot be had"; return 1; }
	mkdir -p "$new/bin" "$new/libexec"
	for binary in check-rdb cli benchmark; do
		mv "$work/$name/usr/bin/$program-$binary" "$new/libexec/" ||
			{ say "$name: package $package has no $program-$binary"; return 1; }
	done
	for tool in $(tools_of "$name"); do
		case $tool in
		*-cli | *-benchmark) wrapper "$new/bin/$tool" "$tool" "$tool" ;;
		*) wrapper "$new/bin/$tool" "$tool" "$program-check-rdb" ;;
		esac
	done
	for tool in server cli benchmark; do
		"$new/bin/$program-$tool" --version >"$work/version.$tool" 2>&1 ||
			{ say "$name: $program-$tool does not start: $(<"$work/version.$tool")"; return 1; }
	done
	version=$(sed -n 's/.* v=\([0-9.]*\).*/\1/p' "$work/version.server")
	[[ -n $version ]] || { say "$name: no version in: $(<"$work/version.server")"; return 1; }
	printf '%s\n' "$version" >"$new/VERSION"
}

# replace puts a finished folder into the cache.
replace() {
	rm -rf "${cache:?}/$1"
	mv "$work/new/$1" "$cache/$1"
}

install_all() {
	local entry name package suite missing=()
	work=$(mktemp -d "$cache/.work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	read -r libdir loader < <(platform)
	archive=$(mirror)
	say "fetching Redis and Valkey servers into $cache (once, about 50 MB)"
	rm -f "$cache/STAMP"
	private_apt
	# A suite that cannot be read shows below as the server that it lacks.
	update || say "not every suite of $archive could be read: $(complaints)"
	install_sysroot || die "$(printf '%s ' "${SERVERS[@]%% *}")cannot be had: $(complaints)"
	for entry in "${SERVERS[@]}"; do
		read -r name package suite <<<"$entry"
		install_server "$name" "$package" "$suite" || missing+=("$name")
	done
	replace sysroot
	for entry in "${SERVERS[@]}"; do
		name=${entry%% *}
		if [[ " ${missing[*]-} " != *" $name "* ]]; then
			replace "$name"
		fi
	done
	if ((${#missing[@]})); then
		die "these servers cannot be had: ${missing[*]}; apt said: $(complaints)"
	fi
	printf '%s\n' "$LAYOUT" >"$cache/STAMP"
	list >&2
}

main() {
	case ${1-} in
	--help | -h) usage; return ;;
	--list) list; complete; return ;;
	--mirror) mirror; return ;;
	'') ;;
	*) usage >&2; exit 2 ;;
	esac
	complete && return
	local tool
	for tool in apt-get dpkg flock; do
		command -v "$tool" >/dev/null || die "$tool is missing: the servers come as Debian packages"
	done
	mkdir -p "$cache"
	printf '*\n' >"$cache/.gitignore"
	exec 9>"$cache/.lock"
	flock 9
	# Another run may have done it while this one waited.
	complete || install_all
}

main "$@"
