package fold_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// A COPY that is carried names its database by the number that it has at the end, whatever the keys are called, and however often it names one.
func TestCopyToADatabaseThatIsSwappedLater(t *testing.T) {
	for _, command := range []string{
		"COPY db x DB 1", "COPY a DB DB 1", "COPY db db db 1", "COPY a x DB 7 DB 1", "COPY a x DB 1 DB 7", "COPY a x DB 1 REPLACE", "COPY a x REPLACE DB 2",
		"COPY a x DB", "COPY db DB", "COPY a x",
	} {
		t.Run(command, func(t *testing.T) {
			requireFold(t, baseOf(t, "SET a 0", "SET db 0"), fold.Options{}, commandsOf("M.X a 1", "M.X db 1", command, "SWAPDB 1 2"))
		})
	}
}

// The upstream said where the keys of a command are when the commands were planned, and says nothing when they are carried.
func TestKeysAreForgotten(t *testing.T) {
	asked := 0
	opt := fold.Options{Table: keyspace.NewTable(), Keys: func(args [][]byte) ([][]byte, bool) {
		asked++
		return args[1:2], asked == 1
	}}
	_, err := fold.Fold(t.Context(), fold.Input{
		Base:       source("base", baseOf(t, "RPUSH l 1", "SET w_1 0")),
		Increments: []fold.Source{source("increment", commandsOf("SORT l BY w_* STORE d", "M.X d 1"))}, // a pattern: it is planned once
	}, io.Discard, opt)
	require.ErrorAs(t, err, new(*fold.CannotError))
	require.Equal(t, 2, asked)
}
