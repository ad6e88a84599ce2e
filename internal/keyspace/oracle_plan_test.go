package keyspace

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
)

// runPlanned runs a command, and runs it again on a Space that has the keys alone that the plan names, less those that it says are
// overwritten. What comes of it must be the same, and no other key may have changed. So a plan that forgets a key, or says Overwrites of
// a value that matters, fails.
func runPlanned(t tester, space *Space, db int, args [][]byte, plan *Plan, s *step) {
	t.Helper()
	before := space.image()
	if plan.Effect != Run {
		require.NoError(t, space.Run(db, args), "%s", s)
		if plan.Effect == Nothing {
			require.Equal(t, before, space.image(), "%s has no effect, says its plan", s)
		}
		return
	}
	part := space.part(db, plan)
	require.NoError(t, space.Run(db, args), "%s", s)
	require.NoError(t, part.Run(db, args), "%s on the keys of its plan", s)
	after, alone := space.image(), part.image()
	for at := range union(before, after) {
		if space.planned(db, plan, at) {
			require.Equal(t, after[at], alone[at], "%s: key %q in database %d: on all keys, and on those of the plan %v", s, at.key, at.db, plan)
		} else {
			require.Equal(t, before[at], after[at], "%s: key %q in database %d changed, and is not in the plan %v", s, at.key, at.db, plan)
		}
	}
}

// part returns a Space with copies of the keys that the plan needs.
func (s *Space) part(db int, plan *Plan) *Space {
	part := New(s.table, s.opt)
	part.libraries = s.libraries
	for n, d := range s.dbs {
		for name, e := range d.keys {
			if !s.needed(db, plan, place{n, name}) {
				continue
			}
			part.set(place{n, name}, e.copy())
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

// image is what all keys are, by contents that do not depend on the order of sets and hashes.
func (s *Space) image() map[place]string {
	image := map[place]string{}
	for n, d := range s.dbs {
		for name, e := range d.keys {
			body := e.raw
			typ := e.typ
			if e.raw == nil {
				typ, body = e.value.appendRDB(nil, s.opt.Format)
			}
			body = slices.Clone(body)
			if name := typ.String(); name != "string" && name != "list" {
				slices.Sort(body)
			}
			image[place{n, name}] = fmt.Sprintf("%s expires %d: %q", typ, e.expire, body)
		}
	}
	return image
}

func union(a, b map[place]string) map[place]bool {
	all := map[place]bool{}
	for at := range a {
		all[at] = true
	}
	for at := range b {
		all[at] = true
	}
	return all
}
