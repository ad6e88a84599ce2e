package keyspace

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// reason says why a form is carried.
type reason string

// The first four are in streams: modules' commands and what no two implementations need agree on. The others no server of 7.0 or later sends; they can
// only come from a log that something else wrote.
const (
	ofModule   reason = "a module's"
	libm       reason = "STOREDIST: the scores are the C library's"
	unsteady   reason = "BYPOLYGON around the border of two cells: in which of them it is searched is up to the C library"
	undefined  reason = "a negative offset: servers answer by the encoding of the source, and so by the upstream's configuration"
	relative   reason = "a time from now: sent as an absolute one"
	madeUp     reason = "what the server makes up: sent as what came of it"
	longDouble reason = "a sum in a long double, whose precision is the machine's: sent as the sum"
	elsewhere  reason = "it writes to another server: sent as DEL"
	script     reason = "a script: its effects are sent"
	laterForm  reason = "an option of no server that we know"
)

// carriedForms are all forms that are carried, of all rows of the list of write commands.
func carriedForms() map[reason][]string {
	return map[reason][]string{
		ofModule: {"VADD @k VALUES 2 1 2 e", "VREM @k e", "VSETATTR @k e {}"},
		libm: {
			"GEORADIUS @k 1 2 3 km STOREDIST @k", "GEORADIUSBYMEMBER @k a 3 km STOREDIST @k",
			"GEOSEARCHSTORE @k @k FROMMEMBER a BYBOX 3 4 km STOREDIST",
		},
		unsteady:  {"GEOSEARCHSTORE @k @k BYPOLYGON 4 -1 40 1 40 1 41 -1 41"},
		undefined: {"ZRANGESTORE @k @k 1 2 BYSCORE LIMIT -1 5", "ZRANGESTORE @k @k - + BYLEX LIMIT -1 5"},
		relative: {
			"SET @k v EX 5", "SET @k v PX 5", "SETEX @k 5 v", "PSETEX @k 5 v", "GETEX @k EX 5", "MSETEX @nkv+ EX 5", "EXPIRE @k 5", "PEXPIRE @k 5",
			"HGETEX @k EX 5 FIELDS 1 f", "HSETEX @k EX 5 FIELDS 1 f v", "HEXPIRE @k 5 FIELDS 1 f", "HPEXPIRE @k 5 FIELDS 1 f",
			"RESTORE @k 5 payload", "RESTORE-ASKING @k 5 payload",
		},
		madeUp: {
			"XADD @k * f v", "XADD @k MAXLEN ~ 5 1-1 f v", "XTRIM @k MAXLEN ~ 5", "XAUTOCLAIM @k g c 0 0", "XREADGROUP GROUP g c STREAMS @k >",
			"XCLAIM @k g c 5 1-1",
		},
		longDouble: {"INCRBYFLOAT @k 1.5", "HINCRBYFLOAT @k f 1"},
		elsewhere:  {"MIGRATE host 1 @k 0 5", "MIGRATE host 1 '' 0 5 KEYS @k+"},
		script:     {"EVAL script @nk+ arg", "EVALSHA sha @nk+", "FCALL f @nk+"},
		laterForm: {
			"SET @k v NEW", "BITFIELD @k NEW u8 0", "BITOP NEW @k @k", "XADD @k NEW 1-1 f v", "XTRIM @k NEW 5", "XSETID @k 5-5 NEW",
			"XGROUP CREATE @k g $ NEW",
		},
	}
}

// What is carried is what is said to be, and nothing else: each form that is, of those of each row, has its reason, and the reason holds by the list's
// word of what a stream has.
func TestWhatIsCarried(t *testing.T) {
	t.Parallel()
	rows := map[string]workload.Row{}
	for _, row := range workload.Table() {
		rows[row.Command] = row
	}
	table, r := NewTable(), rand.New(rand.NewPCG(3, 4))
	carried := map[string]bool{}
	for why, list := range carriedForms() {
		for _, words := range list {
			carried[words] = true
			args, _ := form{words: words}.expand(r)
			var p Plan
			table.Plan(toArgs(args), &p)
			require.Equal(t, Carry, p.Effect, words)

			name, rest, _ := strings.Cut(words, " ")
			row, found := rows[name]
			if !found {
				row, found = rows[name+" "+strings.Fields(rest)[0]]
			}
			require.True(t, found, "%s has no row", words)
			require.Contains(t, classesOf(why), row.Class, "%s: %s", words, why)
			require.Equal(t, why == ofModule, strings.HasPrefix(row.Group, "module"), words)
			require.Equal(t, why == libm, strings.Contains(words, "STOREDIST"), words)
			require.NotEqual(t, "cluster", row.Group, words)
		}
	}
	for _, f := range forms() {
		if f.effect == Carry {
			require.True(t, carried[f.words], "%s is carried, and nobody says why", f.words)
		}
	}
}

// classesOf are the stream classes that rows may have of which a form is carried for a reason: V and V~ are in streams, if not in this form.
func classesOf(why reason) []string {
	switch why {
	case ofModule, libm, unsteady, undefined:
		return []string{"V"}
	case longDouble, elsewhere:
		return []string{"R"}
	case script:
		return []string{"E"}
	case relative, madeUp:
		return []string{"R", "V~"}
	case laterForm:
		return []string{"V", "V~"}
	default:
		return nil
	}
}
