package main

import (
	"net"
	"path/filepath"
)

// The policies of appendfsync.
const (
	policyAlways   = "always"
	policyEverySec = "everysec"
	policyNo       = "no"
)

// consumer is one of those that are compared.
type consumer struct {
	name string
	// bare says that it does not parse: it is told of the end, and cannot be asked.
	bare bool
	// argv returns the command that replicates from addr into dir.
	argv func(dir, addr, policy string) []string
}

// The names of the consumers in the tables.
const (
	nameCopy    = "bare copy"
	nameSidecar = "sidecar"
	nameReplica = "real replica"
)

// bareCopy is this program in another mode: see copyStream.
func bareCopy(self string) consumer {
	return consumer{name: nameCopy, bare: true, argv: func(dir, addr, policy string) []string {
		return []string{self, copyMode, addr, filepath.Join(dir, "copy.aof"), policy}
	}}
}

// sidecar is ours, with whatever its defaults are but for addresses, directory and policy. It rewrites its log when it is asked to, as the replica
// does.
func sidecar(binary string, settings ...string) consumer {
	return consumer{name: nameSidecar, argv: func(dir, addr, policy string) []string {
		argv := []string{
			binary, "run", "--log-level", "warn",
			"--set", "upstream.addr=" + addr,
			"--set", "aof.dir=" + dir,
			"--set", "aof.appendfsync=" + policy,
			"--set", "aof.auto-aof-rewrite-percentage=0",
			"--set", "http.addr=127.0.0.1:0",
			"--set", "control.socket=" + filepath.Join(dir, "s"),
		}
		for _, setting := range settings {
			argv = append(argv, "--set", setting)
		}
		return argv
	}}
}

// realReplica is a server that keeps the same stream. It never rewrites its file, which would only slow it down.
func realReplica(binary string) consumer {
	return consumer{name: nameReplica, argv: func(dir, addr, policy string) []string {
		host, port, _ := net.SplitHostPort(addr) // a listener's address is well formed
		return []string{
			binary, "--dir", dir, "--port", "0", "--unixsocket", filepath.Join(dir, "s"),
			"--save", "", "--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0",
			"--replicaof", host, port,
		}
	}}
}
