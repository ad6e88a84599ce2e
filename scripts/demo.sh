#!/usr/bin/env bash
# The demo: an upstream with traffic, a mirror that is killed with -9 and resumes, a stock server booted from the result.
# It wants Go and nothing else: a Redis or Valkey server (7.0 or later) is taken from PATH, or fetched by servers.sh without
# touching the system. Everything listens on loopback only; nothing is left running, and nothing is left behind but .cache and bin.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/aofsidecar-demo.XXXXXX")
pids=()

cleanup() {
	local status=$? pid
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	if [ "$status" -ne 0 ] && [ "$status" -ne 130 ]; then
		echo "The demo failed. The last lines of its logs:" >&2
		tail -n 15 "$work"/*.log >&2 || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '  %s\n' "$*"; }
step() { printf '\n%s\n' "$*"; }

# wait_for <seconds> <what> <command...>
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			echo "Waited too long for $what." >&2
			return 1
		fi
		sleep 0.1
	done
}

# find_server sets server and cli.
find_server() {
	local name version bin
	for name in valkey redis; do
		command -v "$name-server" >/dev/null && command -v "$name-cli" >/dev/null || continue
		version=$("$name-server" --version | sed -n 's/.*v=\([0-9]*\)\..*/\1/p')
		if [ "${version:-0}" -ge 7 ]; then
			server=$(command -v "$name-server") cli=$(command -v "$name-cli")
			return
		fi
	done
	scripts/servers.sh
	bin=$(scripts/servers.sh --list | awk -F '\t' '$1 == "redis-8.0" {print $3}')
	server=$bin/redis-server cli=$bin/redis-cli
}

# start_server <log> <option...> starts a server on a free loopback port, and sets port and server_pid.
start_server() {
	local log=$1 tries
	shift
	for tries in {1..10}; do
		port=$((20000 + RANDOM % 20000))
		"$server" --bind 127.0.0.1 --port "$port" --save '' --enable-debug-command yes "$@" >"$log" 2>&1 &
		server_pid=$!
		pids+=("$server_pid")
		if wait_for 60 "the server" started_or_gone "$log" && kill -0 "$server_pid" 2>/dev/null; then
			return
		fi
		grep -q 'Address already in use' "$log" || break
	done
	echo "The server does not start (try $tries)." >&2
	return 1
}

started_or_gone() { grep -q 'Ready to accept connections' "$1" || ! kill -0 "$server_pid" 2>/dev/null; }

ask() { "$cli" -h 127.0.0.1 -p "$port" "$@"; }
info() { ask info "$1" | tr -d '\r' | sed -n "s/^$2://p"; }

start_mirror() {
	bin/aofsidecar run --set upstream.addr="127.0.0.1:$port" --set aof.dir="$work/mirror" \
		--set control.socket="$work/control.sock" --set http.addr= --set logging.format=text >>"$work/mirror.log" 2>&1 &
	mirror_pid=$!
	pids+=("$mirror_pid")
}

mirror() { bin/aofsidecar "$1" --set control.socket="$work/control.sock" --set aof.dir="$work/mirror" "${@:2}"; }

# end <pid> <signal> ends a process that we started, and returns its exit code.
end() {
	kill "-$2" "$1"
	wait "$1"
}

# traffic writes until $work/enough exists, then says WAITAOF where the server has it.
traffic() {
	local i=0
	{
		until [ -e "$work/enough" ] || [ ! -d "$work" ]; do
			i=$((i + 1))
			printf '%s\n' "INCR visits" "SET page:$((i % 5000)) body-$i" "HSET user:$((i % 500)) seen $i" "LPUSH log entry-$i" \
				"LTRIM log 0 99" "ZADD top $i member:$((i % 300))" "XADD events * n $i" "MULTI" "INCR in" "DECR out" "EXEC" "EXPIRE visits 86400"
		done
		printf '%s\n' "SET last write" "WAITAOF 0 1 10000"
	} | ask >"$work/traffic.log" 2>&1
}

commands() { info stats total_commands_processed; }
more_than() { [ "$(commands)" -gt "$1" ]; }
resumed() { [ "$(info stats sync_partial_ok)" -ge 1 ]; }

find_server
go build -trimpath -o bin/aofsidecar ./cmd/aofsidecar
mkdir "$work/upstream"

step "An upstream with data and traffic"
start_server "$work/upstream.log" --dir "$work/upstream" --repl-diskless-sync-delay 0 --repl-backlog-size 64mb
upstream_pid=$server_pid
say "$("$server" --version | cut -d ' ' -f 1-3), appendonly no, a backlog of 64 MB, on 127.0.0.1:$port"
seq 20000 | sed 's/.*/SET key:& value-&/' | ask --pipe >/dev/null
say "$(ask dbsize) keys; now writing without a pause"
traffic &
traffic_pid=$!
pids+=("$traffic_pid")

step "A mirror of it"
start_mirror
wait_for 60 "the mirror" mirror status --check
say "full resync done: $(mirror status | sed -n 's/^position *//p')"
wait_for 60 "traffic" more_than $(($(commands) + 20000))

step "kill -9 the mirror in the middle of the traffic, and start it again"
end "$mirror_pid" KILL 2>/dev/null || true
say "killed; the upstream goes on writing ($(commands) commands so far)"
wait_for 60 "traffic" more_than $(($(commands) + 5000))
start_mirror
wait_for 60 "the resync" resumed
say "resumed where it was: upstream says sync_full:$(info stats sync_full), sync_partial_ok:$(info stats sync_partial_ok)"
wait_for 60 "traffic" more_than $(($(commands) + 20000))

step "The last write, and the end of the upstream"
touch "$work/enough"
wait "$traffic_pid"
say "WAITAOF 0 1 answers: $(tail -n 2 "$work/traffic.log" | tr '\n' ' ')(replicas that have it on disk: the last number)"
want=$(ask debug digest) keys=$(ask dbsize) total=$(commands)
end "$upstream_pid" TERM
end "$mirror_pid" TERM
say "after $total commands both are stopped; the mirror's exit code is 0"
mirror verify | sed -n 's/^\(increment\|position\|result\) */  \1: /p'

step "A stock server boots from the mirror's directory"
start_server "$work/booted.log" --dir "$work/mirror" --appendonly yes
got=$(ask debug digest)
say "$(ask dbsize) keys, where the upstream had $keys"
say "DEBUG DIGEST of the upstream  $want"
say "DEBUG DIGEST of the copy      $got"
end "$server_pid" TERM
if [ "$want" != "$got" ]; then
	echo "They differ." >&2
	exit 1
fi
printf '\nEqual: nothing was lost, nothing was there twice.\n'
