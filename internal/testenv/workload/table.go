package workload

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

//go:embed write-commands.tsv
var tableText string

// Row is one row of write-commands.tsv.
type Row struct {
	// Command is the upper-case name; container commands have two words.
	Command string
	// Group is the servers' own group of the command.
	Group string
	// Versions are r7.0, v8.1 and so on, or "all".
	Versions []string
	// Class says how the command goes over the wire: V verbatim, V~ normalised, R rewritten, E effects only, S
	// stream only, A cluster administration, C protocol.
	Class string
}

// Table returns the rows in their order in the file.
func Table() []Row {
	var rows []Row
	for line := range strings.Lines(tableText) {
		cells := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if cells[0] == "command" {
			continue
		}
		rows = append(rows, Row{
			Command: cells[0], Group: cells[1], Versions: strings.Split(cells[4], ","), Class: cells[9],
		})
	}
	return rows
}

// In reports whether a family has the command.
func (r Row) In(family testenv.Family) bool {
	dialect, series, _ := strings.Cut(family.Name, "-")
	return slices.Contains(r.Versions, "all") || slices.Contains(r.Versions, dialect[:1]+series)
}

// Excluded maps rows that the workload does not run to the reason.
func Excluded() map[string]string {
	const (
		cluster  = "needs cluster mode"
		protocol = "written by the propagation layer, or part of the workload's transactions; no effect of its own"
	)
	return map[string]string{
		"CLUSTER FLUSHSLOT":      cluster,
		"CLUSTER SETSLOT":        cluster,
		"CLUSTER SYNCSLOTS":      cluster,
		"SFLUSH":                 "experimental, not compiled into Debian's server",
		"SELECT":                 protocol,
		"PING":                   protocol,
		"MULTI":                  protocol,
		"EXEC":                   protocol,
		"REPLCONF GETACK *":      protocol,
		"<module commands>":      "no module beside the built-in one, whose commands have rows of their own",
		"<DEBUG REPLICATE args>": "makes the upstream and its replicas differ on purpose",
	}
}
