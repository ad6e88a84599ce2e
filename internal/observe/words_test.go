package observe

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/replica"
	"github.com/aofsidecar/aofsidecar/upload"
)

// The collector panics on a label that is no UTF-8, and keeps every label that it ever saw.
func TestLabelsThatOthersChoose(t *testing.T) {
	t.Run("what the upstream calls itself", func(t *testing.T) {
		_, registry := newEvents(t)
		registry.MustRegister(NewCollector(States{
			Replica: func() replica.State {
				return replica.State{Peer: replica.Peer{Remote: "h:1", Server: replica.Server{Name: "re\xffdis", Version: strings.Repeat("\xc0\x80", 30_000)}}}
			},
			AOF: func() aof.Status { return aof.Status{Durable: -1, FreeBytes: -1} },
			Lag: func(context.Context) Lag { return Lag{} },
		}))
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			for _, label := range family.GetMetric()[0].GetLabel() {
				require.Less(t, len(label.GetValue()), 100)
			}
		}
	})
	t.Run("its commands", func(t *testing.T) {
		events, registry := newEvents(t)
		o := AOF(events, nil)
		o.Rewritten(aof.RewriteReport{Carried: 2, Unknown: map[string]int64{"\xff\xfe": 7, strings.Repeat("x", 1<<20): 1}})
		count, err := testutil.GatherAndCount(registry, "aofsidecar_rewrite_unknown_commands_total")
		require.NoError(t, err)
		require.Equal(t, 2, count)
	})
	t.Run("the store's words", func(t *testing.T) {
		events, registry := newEvents(t)
		o := Archive(events, nil)
		o.Request(upload.Request{Op: "get", Code: "\xff"})
		for i := range 100_000 {
			o.Request(upload.Request{Op: "get", Code: fmt.Sprint("Code", i)})
		}
		count, err := testutil.GatherAndCount(registry, "aofsidecar_archive_operations_total")
		require.NoError(t, err)
		require.Equal(t, maxStoreWords+1, count)
	})
}

func TestWords(t *testing.T) {
	w := newWords(2)
	require.Equal(t, []string{"a", "b", "other", "a"}, []string{w.label("a"), w.label("b"), w.label("c"), w.label("a")})
	long := newWords(2).label("\xff" + strings.Repeat("ü", 100))
	require.True(t, utf8.ValidString(long))
	require.LessOrEqual(t, len(long), maxWord)
	require.True(t, strings.HasPrefix(long, "?ü"))
}
