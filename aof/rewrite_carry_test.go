package aof

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
)

// What can never be folded stays, or a fresh snapshot is asked for: at most once a day.
func TestRewriteFallback(t *testing.T) {
	for _, fallback := range []Fallback{FallbackKeep, FallbackResync} {
		t.Run(string(fallback), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 1000, 3), func(o *Options) { o.Rewrite.Fallback = fallback })
				r.start()
				r.h.add("MODULE.CMD", "who", "knows")
				r.feed()
				try := func() (asked bool) {
					t.Helper()
					_, err := r.l.Rewrite(t.Context(), "test")
					require.ErrorAs(t, err, new(*fold.CannotError))
					pos, _, err := r.l.Resume()
					require.NoError(t, err)
					select {
					case <-r.l.Reconnect():
						require.True(t, pos.IsZero())
						return true
					default:
						return false
					}
				}
				require.False(t, try(), "the base is young")
				pass(25 * time.Hour)
				require.Equal(t, fallback == FallbackResync, try())
				require.False(t, try(), "once")
				if fallback == FallbackKeep {
					require.Equal(t, 3, r.l.Status().Rewrite.InRow)
					return
				}
				r.h = newHistory(t, "b2", 7, 3)
				resync(t, r.l, r.h, 10)
				r.feed()
				pos, _, err := r.l.Resume()
				require.NoError(t, err)
				require.False(t, pos.IsZero())
				_, err = r.l.Rewrite(t.Context(), "test")
				require.NoError(t, err)
				r.requireChain("fresh")
			})
		})
	}
}

// A base that only a later server can read is not damaged, and what cannot be read may hold the keys that are touched: it stays as it is, or a fresh
// snapshot is asked for. Where the checksum says that it is damage, that is what is said.
func TestRewriteOfALaterBase(t *testing.T) {
	typed := snapshot{keys: 10, extra: "\x7f\x01k\x01v"}.bytes()
	later := snapshot{magic: "REDIS0099", keys: 10}.bytes()
	unsealed := func(p []byte) []byte { return append(p[:len(p)-8:len(p)-8], make([]byte, 8)...) }
	damaged := func(p []byte) []byte { return append(p[:len(p)-1:len(p)-1], ^p[len(p)-1]) }
	for name, tc := range map[string]struct {
		base []byte
		what string // empty: damaged
	}{
		"type":                    {typed, "unknown rdb type or opcode 127 at byte 111"},
		"type, no checksum":       {unsealed(typed), "unknown rdb type or opcode 127 at byte 111"},
		"version":                 {later, "unknown rdb version 99 at byte 5"},
		"type, wrong checksum":    {damaged(typed), ""},
		"version, wrong checksum": {damaged(later), ""},
		"no RDB":                  {snapshot{magic: "RADIS0011", keys: 10}.bytes(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 1000, 30), func(o *Options) { o.Rewrite.Fallback = FallbackResync })
				r.start()
				r.feed()
				pass(25 * time.Hour)
				base := r.l.at.path(damageBase)
				f, err := r.fs.OpenFile(base, os.O_RDWR|os.O_TRUNC, 0)
				require.NoError(t, err)
				_, err = f.Write(tc.base)
				require.NoError(t, errors.Join(err, f.Close()))

				_, err = r.l.Rewrite(t.Context(), "test")
				status := r.l.Status().Rewrite
				require.Equal(t, err.Error(), status.Error)
				require.Equal(t, tc.what == "", status.Corrupt)
				require.Len(t, r.l.Reconnect(), map[bool]int{true: 0, false: 1}[status.Corrupt])
				requireNoTemp(t, r.fs)
				if tc.what == "" {
					require.ErrorAs(t, err, new(*CorruptError))
					return
				}
				require.ErrorAs(t, err, new(*fold.CannotError))
				require.ErrorContains(t, err, base+": "+tc.what)
			})
		})
	}
}

// Commands of a module whose keys are known are carried behind the RDB, or among the commands; the next rewrite reads them there, and damage among
// them is found.
func TestRewriteCarries(t *testing.T) {
	for _, noPreamble := range []bool{false, true} {
		t.Run(fmt.Sprintf("without preamble %v", noPreamble), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 1000, 3), func(o *Options) {
					o.Rewrite.NoPreamble = noPreamble
					o.Rewrite.Keys = func(args [][]byte) ([][]byte, bool) { return args[1:2], true }
				})
				r.start()
				for i := range 3 {
					r.h.add("MODULE.CMD", "mine", fmt.Sprint(i))
					r.h.add("INCR", "counter")
					r.feed()
					rep, err := r.l.Rewrite(t.Context(), "test")
					require.NoError(t, err)
					require.EqualValues(t, 1, rep.Carried)
					require.Equal(t, map[string]int64{"MODULE.CMD": int64(i + 1)}, rep.Unknown)
					require.EqualValues(t, -1, r.l.Status().BaseKeys, "nobody knows what the module makes")
					base := string(r.read(r.l.at.path(rep.Base)))
					require.Equal(t, i+1, strings.Count(base, "MODULE.CMD"))
					_, err = Verify(t.Context(), r.opt)
					require.NoError(t, err)
				}
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				require.NoError(t, r.l.Close())
				man, _, err := readManifest(r.fs, r.l.at)
				require.NoError(t, err)
				rep, err := Verify(t.Context(), r.opt)
				require.NoError(t, err)
				require.GreaterOrEqual(t, rep.Base.Commands, int64(4))
				checkDamagedCarry(t, r, man.base.name)
			})
		})
	}
}

// checkDamagedCarry wants each damage behind the RDB to be found, with its place.
func checkDamagedCarry(t *testing.T, r *rig, name string) {
	t.Helper()
	sound := tree(t, r.fs, rigDir)
	for what, change := range map[string]func(string) string{
		"cut":               func(s string) string { return s[:len(s)-3] },
		"cut at a command":  func(s string) string { return s + "*1\r\n$5\r\nMULTI\r\n" },
		"text":              func(s string) string { return s + "garbage" },
		"zeros":             func(s string) string { return s + strings.Repeat("\x00", 40) },
		"newline":           func(s string) string { return s + "\r\n" },
		"a length is wrong": func(s string) string { return strings.Replace(s, "$10\r\nMODULE", "$99\r\nMODULE", 1) },
	} {
		files := maps.Clone(sound)
		edit(name, change)(files)
		opt := r.opt
		opt.FS = put(t, files)
		_, err := Verify(t.Context(), opt)
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt, what)
		require.True(t, strings.HasSuffix(corrupt.Path, name), what)
		require.Positive(t, corrupt.Offset, what)
	}
}
