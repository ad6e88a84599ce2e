package keyspace

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// FuzzListArguments runs the commands of lists, sets and SORT with any arguments: they come to nothing worse than a refusal, and touch no key
// that their plan does not name.
func FuzzListArguments(f *testing.F) {
	for _, seed := range []string{
		"l 9223372036854775807", "l -1", "l 0 -9223372036854775808", "l -9223372036854775808 9223372036854775807", "1 l LEFT COUNT 9223372036854775807",
		"9223372036854775807 l LEFT", "2 l s RIGHT", "0 9223372036854775806 l LEFT", "l s LEFT RIGHT", "l l LEFT LEFT 0", "l d 0", "l 1e999", "d l s z", "d s s none",
		"l BY w* GET # GET h*->f STORE d", "s BY nosort LIMIT -1 9223372036854775807 DESC STORE d", "z BY * ALPHA LIMIT 9223372036854775807 1 STORE z",
		"l GET *-> GET -> GET *->* BY \x00* STORE d", "l LIMIT -9223372036854775808 -9223372036854775808 STORE l", "l before 1 x", "s a", "s 100",
	} {
		f.Add(seed)
	}
	table := NewTable()
	f.Fuzz(func(t *testing.T, input string) {
		for _, c := range slices.Concat(listCommands(), setCommands(), sortCommands()) {
			space := New(table, Options{Format: rdb.Format{Version: 12}})
			for _, command := range split(t, []string{"RPUSH l 2 1 x", "SADD s a 1", "ZADD z 1 a 2 1", "SET w1 5", "HSET h1 f 7"}) {
				_ = space.Run(0, toArgs(command))
			}
			args := append([][]byte{[]byte(c.name)}, bytes.Split([]byte(input), []byte(" "))...)
			var plan Plan
			table.Plan(args, &plan)
			s := step{args: []string{c.name, input}}
			if plan.Effect == Run {
				runPlanned(t, space, space.image(), 0, args, &plan, &s)
			}
		}
	})
}
