package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/replica"
	"github.com/aofsidecar/aofsidecar/upload"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/reference.md")

// TestReferenceIsWhatTheCodeSays holds the tables of docs/reference.md equal to help texts, settings, metrics and the types that are printed as JSON.
func TestReferenceIsWhatTheCodeSays(t *testing.T) {
	const path = "../../docs/reference.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	want := string(text)
	for marker, table := range map[string]string{
		"settings": settingsTable(t), "commands": commandsText(), "metrics": metricsTable(t), "json": jsonTables(t),
	} {
		begin, end := "<!-- "+marker+" -->\n", "<!-- /"+marker+" -->"
		before, rest, ok := strings.Cut(want, begin)
		require.True(t, ok, "no %s", begin)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "no %s", end)
		want = before + begin + table + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run: go test ./cmd/aofsidecar -run TestReference -update")
}

// settingsTable takes the meaning of each key from the comment beside it in config.yaml.
func settingsTable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	comments := map[string]string{}
	var walk func(node *yaml.Node, prefix string)
	walk = func(node *yaml.Node, prefix string) {
		for i := 0; i+1 < len(node.Content); i += 2 {
			name, value := node.Content[i], node.Content[i+1]
			if value.Kind == yaml.MappingNode {
				walk(value, prefix+name.Value+".")
			}
			comments[prefix+name.Value] = strings.TrimPrefix(value.LineComment, "# ")
		}
	}
	walk(document.Content[0], "")
	var out strings.Builder
	out.WriteString("| key | variable | default | meaning |\n|---|---|---|---|\n")
	defaults := DefaultConfig()
	for _, s := range settings() {
		value := fmt.Sprint(s.value(&defaults))
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&out, "| `%s` | `%s` | %s | %s |\n", s.key, s.env, value, strings.ReplaceAll(comments[s.key], "|", `\|`))
	}
	return out.String()
}

// commandsText is the help of every command.
func commandsText() string {
	var out strings.Builder
	for _, cmd := range newRootCommand().Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			continue
		}
		fmt.Fprintf(&out, "### %s\n\n```\n%s\n```\n\n", cmd.Name(), strings.TrimSpace(commandHelp(cmd)))
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func commandHelp(cmd *cobra.Command) string {
	return cmp.Or(cmd.Long, cmd.Short) + "\n\n" + cmd.UsageString()
}

// metricsTable lists the metrics of a mirror that streams, where all are present.
func metricsTable(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	events := observe.NewEvents(registry, observe.Build{})
	observe.Replica(events, nil).LinkLost(replica.Failure{Class: replica.ClassNetwork})
	observe.AOF(events, nil).Rewritten(aof.RewriteReport{Unknown: map[string]int64{"X": 1}})
	archive := observe.Archive(events, nil)
	archive.Request(upload.Request{Op: "put", Code: "ok", Bytes: 1})
	archive.Shipped(upload.ShippedSegment{})
	observe.Verified(events, nil, observe.Verification{Level: "deep", Result: "ok"})
	registry.MustRegister(observe.NewCollector(observe.States{
		Archive: func() observe.ArchiveState {
			return observe.ArchiveState{
				State: upload.State{
					Held: true, Timeline: "t", Lease: upload.LeaseRecord{Epoch: 1}, HasShipped: true, StoredAt: time.Now(), WindowBegin: time.Now(),
				},
				SpoolLimitBytes: 1, LastVerified: map[string]time.Time{"deep": time.Now()}, VerifyInterval: time.Hour,
			}
		},
		Replica: func() replica.State { return replica.State{Peer: replica.Peer{Remote: "h:1"}} },
		AOF: func() aof.Status {
			return aof.Status{Fsync: aof.FsyncEverySec, Timeline: "t", Rewrite: aof.RewriteStatus{Last: &aof.RewriteReport{}}}
		},
		Lag: func(context.Context) observe.Lag {
			known := observe.StageLag{Bytes: new(int64), Seconds: new(float64)}
			return observe.Lag{Received: known, Durable: known}
		},
	}))
	families, err := registry.Gather()
	require.NoError(t, err)
	var out strings.Builder
	out.WriteString("| metric | type | meaning |\n|---|---|---|\n")
	for _, family := range families {
		fmt.Fprintf(&out, "| `%s%s` | %s | %s |\n", family.GetName(), labelNames(family),
			strings.ToLower(family.GetType().String()), family.GetHelp())
	}
	return out.String()
}

func labelNames(family *dto.MetricFamily) string {
	var names []string
	for _, label := range family.GetMetric()[0].GetLabel() {
		names = append(names, label.GetName())
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "{" + strings.Join(names, ",") + "}"
}
