package resp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// track runs a Tracker over in, cut into pieces of the given size.
func track(t *testing.T, tr *resp.Tracker, in string, piece int) error {
	t.Helper()
	s := resp.Scanner{AllowAnnotations: true}
	for p := []byte(in); len(p) > 0; {
		n, done, err := s.Next(p[:min(piece, len(p))])
		require.NoError(t, err)
		p = p[n:]
		if done {
			if err := tr.Done(&s); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestTracker(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want resp.Tracker
		what string // of the error; want is then the state before it
	}{
		"nothing":           {"", resp.Tracker{}, ""},
		"select":            {command("SELECT", "7") + command("SET", "k", "v"), resp.Tracker{DB: 7}, ""},
		"select back":       {command("SELECT", "7") + command("select", "0"), resp.Tracker{}, ""},
		"open":              {command("MULTI") + command("PING"), resp.Tracker{Multi: true}, ""},
		"closed":            {command("MULTI") + command("SELECT", "2") + "#TS:1\r\n" + command("exec"), resp.Tracker{DB: 2}, ""},
		"largest database":  {command("SELECT", "2147483647"), resp.Tracker{DB: 2147483647}, ""},
		"too large":         {command("SELECT", "2147483648"), resp.Tracker{}, "SELECT without a database number"},
		"negative":          {command("SELECT", "-1"), resp.Tracker{}, "SELECT without a database number"},
		"empty":             {command("SELECT", ""), resp.Tracker{}, "SELECT without a database number"},
		"no argument":       {command("SELECT"), resp.Tracker{}, "SELECT without a database number"},
		"two arguments":     {command("SELECT", "1", "2"), resp.Tracker{}, "SELECT without a database number"},
		"leading zero":      {command("SELECT", "01"), resp.Tracker{}, "SELECT without a database number"},
		"nested":            {command("MULTI") + command("MULTI"), resp.Tracker{Multi: true}, "MULTI inside MULTI or with arguments"},
		"multi with more":   {command("MULTI", "x"), resp.Tracker{}, "MULTI inside MULTI or with arguments"},
		"exec alone":        {command("EXEC"), resp.Tracker{}, "EXEC without MULTI or with arguments"},
		"exec twice":        {command("MULTI") + command("EXEC") + command("EXEC"), resp.Tracker{}, "EXEC without MULTI or with arguments"},
		"exec with more":    {command("MULTI") + command("EXEC", "x"), resp.Tracker{Multi: true}, "EXEC without MULTI or with arguments"},
		"nothing it tracks": {command("PUBLISH", "c", "m") + "\n" + command("CLUSTER", "INFO") + command("REPLCONF", "GETACK", "*"), resp.Tracker{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 5, 1 << 20} {
				var tr resp.Tracker
				err := track(t, &tr, tc.in, piece)
				require.Equal(t, tc.want, tr)
				if tc.what == "" {
					require.NoError(t, err)
					continue
				}
				require.Equal(t, &resp.SyntaxError{Offset: int64(len(tc.in)), What: tc.what}, err)
			}
		})
	}
}

// TestTrackerGoesOn: a Tracker takes up a stream in the middle, with the state that a file ended in.
func TestTrackerGoesOn(t *testing.T) {
	tr := resp.Tracker{DB: 3, Multi: true}
	require.NoError(t, track(t, &tr, command("SET", "k", "v")+command("EXEC"), 1<<20))
	require.Equal(t, resp.Tracker{DB: 3}, tr)
}
