#!/usr/bin/env bash
#
# image-test.sh builds the image from a clean clone of what is committed, without a registry and without the network, and holds
# what the Dockerfile promises: what the image has and has not, `version`, and a mirror of a real server as 65532 with a
# read-only root, killed, started again, stopped, and booted by a stock server. Then it builds for the other architecture.
#
#   scripts/image-test.sh               the base image is made here: Debian bookworm by debootstrap, and this machine's Go
#   scripts/image-test.sh --base DIR    the same, from a root that `debootstrap --include=ca-certificates bookworm DIR` made before
#   scripts/image-test.sh --help        print this
#
# It needs root, and buildah, runc, jq and debootstrap of Debian. Everything it makes, images included, is in one folder
# below $TMPDIR, which it removes. The container shares the network of this machine, and nothing but loopback is spoken to.
#
# Exit: 0 all is so, 1 something is not, 2 wrong usage, 3 a tool is missing.

set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly image=aofsidecar:image-test
work="" base="" server="" container="" root="" bin="" port="" mirror=""

say() { printf 'image-test.sh: %4d s: %s\n' "$SECONDS" "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }
usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# same <what> <want> <got>
same() { [[ $2 == "$3" ]] || die "$1: want '$2', got '$3'"; say "$1: $3"; }

# eventually <seconds> <what> <command...> waits until the command succeeds.
eventually() {
	local until=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >"$work/last.log" 2>&1; do
		((SECONDS < until)) || { tail -n 5 "$work/last.log" >&2; die "$what: not within the time"; }
		sleep 0.2
	done
}

cleanup() {
	set +e
	[[ -z $container ]] || engine delete --force "$container" 2>/dev/null
	[[ -z $server ]] || kill "$server" 2>/dev/null
	wait
	[[ -n $work ]] || return
	if [[ -d $work/storage ]]; then
		buildah rm --all >/dev/null
		buildah rmi --all --force >/dev/null
		umount "$work/storage/overlay" 2>/dev/null # which buildah mounts on itself
	fi
	rm -rf --one-file-system "$work"
}

need() {
	local tool missing=()
	for tool in "$@"; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	[[ ${#missing[@]} -eq 0 ]] || {
		say "not here: ${missing[*]}. Try: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 3
	}
	[[ $(id -u) -eq 0 ]] || { say "wants root, to make a root file system and to run a container" >&2; exit 3; }
}

# private_storage keeps buildah away from the images of this machine.
private_storage() {
	local driver=vfs # copies a whole root for each step: slow, and works everywhere
	grep -qw overlay /proc/filesystems && driver=overlay
	mkdir -p "$work/storage" "$work/run"
	cat >"$work/storage.conf" <<-CONF
		[storage]
		driver = "$driver"
		graphroot = "$work/storage"
		runroot = "$work/run"
	CONF
	printf '%s\n' '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/policy.json"
	: >"$work/registries.conf"
	export CONTAINERS_STORAGE_CONF=$work/storage.conf CONTAINERS_REGISTRIES_CONF=$work/registries.conf BUILDAH_ISOLATION=chroot
}

# base_image makes what a registry would give: the golang image that the Dockerfile names.
base_image() {
	local name made root
	name=$(sed -n 's/^FROM .*\(golang:[^ ]*\) AS build$/\1/p' "$repo/Dockerfile")
	made=$(buildah from scratch)
	root=$(buildah mount "$made")
	if [[ -n $base ]]; then
		cp -a "$base/." "$root"
	else
		debootstrap --variant=minbase --include=ca-certificates "${name##*-}" "$root" "$("$repo/scripts/servers.sh" --mirror)" >"$work/debootstrap.log" ||
			{ tail -n 5 "$work/debootstrap.log" >&2; die "debootstrap failed"; }
	fi
	mkdir "$root/usr/local/go"
	(cd "$(go env GOROOT)" && cp -a VERSION go.env bin lib pkg src "$root/usr/local/go/")
	buildah config --env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env GOTOOLCHAIN=local "$made"
	buildah umount "$made" >/dev/null
	buildah commit --quiet --rm "$made" "docker.io/library/$name" >/dev/null
	say "base image: $name, $("$(go env GOROOT)/bin/go" version)"
}

# make_image <name> <flag...> runs `make image` in the clean clone, with the modules and the compiler's results that this machine has.
make_image() {
	local name=$1
	shift
	IMAGE_TOOL=buildah GOPROXY=file:///modules \
		IMAGE_FLAGS="--volume $(go env GOMODCACHE)/cache/download:/modules:ro --volume $(go env GOCACHE):/root/.cache/go-build $*" \
		make -C "$work/clone" --no-print-directory image IMAGE="$name" >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; die "make image"; }
}

build() {
	(cd "$repo" && go mod download)
	git clone --quiet --no-hardlinks "$repo" "$work/clone"
	make_image "$image"
	say "make image: built $(git -C "$work/clone" rev-parse --short HEAD) from a clean clone"
}

# build_other builds for the architecture that this machine is not of, as a release does: compiled here, run nowhere.
build_other() {
	local arch=arm64 machine=b7 made
	[[ $(go env GOARCH) != arm64 ]] || arch=amd64 machine=3e
	make_image "$image-$arch" --platform "linux/$arch"
	same "image for another architecture" "$arch" "$(buildah inspect --type image "$image-$arch" | jq -r .OCIv1.architecture)"
	made=$(buildah mount "$(buildah from --platform "linux/$arch" "$image-$arch")")
	same "its program's machine, as ELF numbers it" "$machine" "$(od -An -tx1 -j18 -N1 "$made/aofsidecar" | tr -d ' ')"
}

config() { jq -r "$1" "$work/config.json"; }

look_at_image() {
	buildah inspect --type image "$image" | jq .Docker.config >"$work/config.json"
	same user 65532:65532 "$(config .User)"
	same entrypoint '["/aofsidecar"]' "$(config '.Entrypoint | tojson')"
	same command '["run"]' "$(config '.Cmd | tojson')"
	same volumes '["/data","/run/aofsidecar"]' "$(config '.Volumes | keys | tojson')"
	same healthcheck '["CMD","/aofsidecar","status","--check"]' "$(config '.Healthcheck.Test | tojson')"
	root=$(buildah mount "$(buildah from "$image")")
	# The bit of a program that wants no library: it has no interpreter.
	if head -c 4096 "$root/aofsidecar" | grep -qaF /lib64/ld-; then die "the program is not static"; fi
	grep -q 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt" || die "no certificates"
	local want='/aofsidecar 0:0 755
/data 65532:65532 750
/etc/ssl/certs/ca-certificates.crt 0:0 644
/run/aofsidecar 65532:65532 750
/tmp 0:0 1777
/usr/share/doc/aofsidecar/LICENSE 0:0 644'
	same contents "$want" "$(cd "$root" && find . ! -type d -printf '/%P %U:%G %m\n' -o -type d -empty -printf '/%P %U:%G %m\n' | sort)"
	say "size: $(du -sh "$root" | cut -f1)"
}

# bundle <name> <argument...> lays out a container as an engine does: the image's user, entrypoint, environment and volumes; all
# capabilities dropped, no new privileges, the root read-only.
bundle() {
	local name=$1 volume
	shift
	mkdir -p "$work/$name" "$work/volumes"
	for volume in $(config '.Volumes | keys[]'); do
		[[ -d $work/volumes$volume ]] || { mkdir -p "$work/volumes${volume%/*}" && cp -a "$root$volume" "$work/volumes$volume"; }
	done
	jq --arg root "$root" --arg volumes "$work/volumes" --arg group "/${work##*/}-$name" '
		(.User | split(":") | map(tonumber)) as $user | {
			ociVersion: "1.0.2",
			root: {path: $root, readonly: true},
			process: {
				user: {uid: $user[0], gid: $user[1]}, cwd: "/", env: .Env, args: (.Entrypoint + $ARGS.positional),
				noNewPrivileges: true, capabilities: {bounding: [], effective: [], permitted: [], inheritable: [], ambient: []},
			},
			mounts: ([{destination: "/proc", type: "proc", source: "proc"},
				{destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=64k"]}] +
				(.Volumes | keys | map({destination: ., type: "bind", source: ($volumes + .), options: ["rbind", "rw", "nosuid", "nodev", "noexec"]}))),
			linux: {cgroupsPath: $group, namespaces: [{type: "pid"}, {type: "mount"}, {type: "ipc"}, {type: "uts"}]},
		}' "$work/config.json" --args -- "$@" >"$work/$name/config.json"
}

engine() { runc --root "$work/runc" "$@"; }
ask() { "$bin/redis-cli" -p "$1" "${@:2}"; }

# start <port> <arguments...> starts a stock server and leaves its process in $server.
start() {
	local port=$1
	shift
	"$bin/redis-server" --port "$port" --bind 127.0.0.1 --save '' --enable-debug-command local --daemonize no "$@" >"$work/server-$port.log" 2>&1 &
	server=$!
	eventually 20 "server on $port" ask "$port" ping
}

start_mirror() {
	container=$1
	bundle "$container" run --set upstream.addr="127.0.0.1:$port" --set http.addr=127.0.0.1:0
	engine run --bundle "$work/$container" --pid-file "$work/$container.pid" "$container" >"$work/$container.log" 2>&1 &
	mirror=$!
	eventually 30 "container" test -s "$work/$container.pid"
}

# healthy runs what HEALTHCHECK says, in the container.
healthy() {
	local check
	mapfile -t check < <(config '.Healthcheck.Test[1:][]')
	engine exec "$container" "${check[@]}"
}

# ended <code> waits for the container's end.
ended() {
	local code=0
	wait "$mirror" || code=$?
	same "exit code of $container" "$1" "$code"
	engine delete --force "$container" 2>/dev/null || true
	container=
}

run_image() {
	bundle version version
	same version "aofsidecar $(git -C "$work/clone" describe --tags --always) ($(go env GOVERSION), linux/$(go env GOARCH))" "$(engine run --bundle "$work/version" version)"

	bin=$("$repo/scripts/servers.sh" --list | sed -n 's/^redis-8\.0\t.*\t//p')
	port=$((20000 + RANDOM % 10000))
	mkdir "$work/upstream"
	start "$port" --dir "$work/upstream"
	local upstream=$server
	ask "$port" eval 'for i = 1, 5000 do redis.call("SET", "key:" .. i, string.rep("x", i % 100)) end' 0 >/dev/null

	start_mirror first
	eventually 30 "HEALTHCHECK" healthy
	local pid
	pid=$(<"$work/first.pid")
	same "of the process, user" '65532 65532 65532 65532' "$(awk '/^Uid/ {print $2, $3, $4, $5}' "/proc/$pid/status")"
	same "of the process, group" '65532 65532 65532 65532' "$(awk '/^Gid/ {print $2, $3, $4, $5}' "/proc/$pid/status")"
	same "of the process, capabilities" 0000000000000000 "$(awk '/^CapEff/ {print $2}' "/proc/$pid/status")"
	same "of its root, mount options" ro "$(awk '$5 == "/" {print substr($6, 1, 2)}' "/proc/$pid/mountinfo")"
	if touch "/proc/$pid/root/written" 2>"$work/touch.log"; then die "the root could be written to"; fi
	grep -q 'Read-only file system' "$work/touch.log" || die "a write to the root: $(<"$work/touch.log")"

	ask "$port" eval 'for i = 1, 5000 do redis.call("HSET", "hash:" .. i % 50, i, i) end' 0 >/dev/null
	same "WAITAOF 0 1, replicas" 1 "$(ask "$port" waitaof 0 1 10000 | tail -n 1)"
	engine kill first KILL
	ended 137

	ask "$port" set after kill >/dev/null
	start_mirror second # in the volumes of the first: its socket and its lock are still there
	eventually 30 "HEALTHCHECK after a kill" healthy
	same "resyncs after a kill" "0 full, 1 partial" "$(engine exec second /aofsidecar status --json | jq -r '"\(.upstream.full_resyncs) full, \(.upstream.partial_resyncs) partial"')"
	same "WAITAOF 0 1, replicas" 1 "$(ask "$port" waitaof 0 1 10000 | tail -n 1)"
	kill "$upstream"
	wait "$upstream" || true
	server=
	eventually 30 "HEALTHCHECK says no without an upstream" not healthy
	engine kill second TERM
	ended 0

	start "$((port + 1))" --appendonly yes --dir "$work/volumes/data/aofsidecar"
	same "keys of a server booted from the volume" 5051 "$(ask "$((port + 1))" dbsize)"
	same "a key written after the kill" kill "$(ask "$((port + 1))" get after)"
}

not() { ! "$@"; }

case ${1-} in
"") ;;
--base) base=${2:?--base wants a folder} ;;
--help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
need buildah runc jq debootstrap make git go
work=$(mktemp -d)
trap cleanup EXIT
private_storage
base_image
build
look_at_image
"$repo/scripts/servers.sh"
run_image
build_other
say "all is as promised"
