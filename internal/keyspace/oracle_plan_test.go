package keyspace

import (
	"encoding/binary"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// runPlanned runs a command, and runs it again on a Space that has the keys alone that the plan names, less those that it says are
// overwritten. What comes of it must be the same, and no other key may have changed. So a plan that forgets a key, or says Overwrites of
// a value that matters, fails. before is the image of the Space, and the result the one afterwards.
func runPlanned(t tester, space *Space, before image, db int, args [][]byte, plan *Plan, s *step) (after image) {
	t.Helper()
	if plan.Effect != Run {
		require.NoError(t, space.Run(db, args), "%s", s)
		after = space.image()
		if plan.Effect == Nothing {
			require.Equal(t, before, after, "%s has no effect, says its plan", s)
		}
		return after
	}
	part := space.part(db, plan)
	require.NoError(t, space.Run(db, args), "%s", s)
	require.NoError(t, part.Run(db, args), "%s on the keys of its plan", s)
	after = space.image()
	alone := part.image()
	for at := range union(before, after) {
		switch planned := space.planned(db, plan, at); {
		case planned && after[at] != alone[at]:
			require.Equal(t, after[at], alone[at], "%s: key %q in database %d: on all keys, and on those of the plan %v", s, at.key, at.db, plan)
		case !planned && before[at] != after[at]:
			require.Equal(t, before[at], after[at], "%s: key %q in database %d changed, and is not in the plan %v", s, at.key, at.db, plan)
		}
	}
	return after
}

// part returns a Space with copies of the keys that the plan needs.
func (s *Space) part(db int, plan *Plan) *Space {
	part := New(s.table, s.opt)
	part.libraries = s.libraries
	for n, d := range s.dbs {
		for name, e := range d.all() {
			if !s.needed(db, plan, place{n, string(name)}) {
				continue
			}
			part.set(place{n, string(name)}, e.copy())
		}
	}
	return part
}

// is reports whether a use is of that key.
func (u *KeyUse) is(db int, at place) bool {
	n := u.DB
	if n == SelectedDB {
		n = db
	}
	if n != at.db {
		return false
	}
	if !u.Pattern {
		return string(u.Key) == at.key
	}
	star := slices.Index(u.Key, '*')
	before, after := string(u.Key[:star]), string(u.Key[star+1:])
	return len(at.key) >= len(before)+len(after) && at.key[:len(before)] == before && at.key[len(at.key)-len(after):] == after
}

func (*Space) planned(db int, plan *Plan, at place) bool {
	return slices.ContainsFunc(plan.Keys, func(u KeyUse) bool { return u.is(db, at) })
}

// needed reports whether the key's value may matter.
func (*Space) needed(db int, plan *Plan, at place) bool {
	return slices.ContainsFunc(plan.Keys, func(u KeyUse) bool { return u.is(db, at) && u.Use != Overwrites })
}

// image is what all keys are.
type image map[place]picture

// picture is what a key is, by contents that do not depend on the order of sets and hashes. There are several to each command of each case, so
// that they are cheap.
type picture struct {
	typ      rdb.Type
	expire   int64
	contents string
}

func (s *Space) image() image {
	image := image{}
	var buf []byte
	for n, d := range s.dbs {
		for name, e := range d.all() {
			k := Key{entry: e, format: s.opt.Format}
			var typ rdb.Type
			typ, buf = k.AppendRDB(buf[:0])
			body := buf
			contents := string(body)
			if kind := typ.Kind(); kind != "string" && kind != "list" && kind != "stream" {
				contents = byteCounts(body)
			}
			image[place{n, string(name)}] = picture{typ, e.expire, contents}
		}
	}
	return image
}

// byteCounts is the bytes in their order, each once and how often it is there.
func byteCounts(body []byte) string {
	var counts [256]uint32
	for _, b := range body {
		counts[b]++
	}
	var text []byte
	for b, n := range counts {
		if n > 0 {
			text = binary.AppendUvarint(append(text, byte(b)), uint64(n))
		}
	}
	return string(text)
}

func union(a, b image) map[place]bool {
	all := map[place]bool{}
	for at := range a {
		all[at] = true
	}
	for at := range b {
		all[at] = true
	}
	return all
}
