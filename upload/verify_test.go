package upload_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

func (b *backup) verify(opt upload.VerifyOptions) upload.VerifyReport {
	b.t.Helper()
	rep, err := upload.VerifyArchive(b.t.Context(), b.store, opt)
	require.NoError(b.t, err)
	return rep
}

func TestVerifyAGoodArchive(t *testing.T) {
	id := identity(t)
	b := someBackup(t, upload.SealOptions{Recipients: []age.Recipient{id.Recipient()}})
	for _, opt := range []upload.VerifyOptions{{}, {Level: upload.VerifyDeep, Identities: []age.Identity{id}}} {
		rep := b.verify(opt)
		require.True(t, rep.OK())
		require.Len(t, rep.Timelines, 1)
		tl := rep.Timelines[0]
		require.Equal(t, 2, tl.Bases)
		require.Equal(t, len(b.segs), tl.Segments)
		require.Empty(t, tl.Holes)
		require.Len(t, tl.Windows, 1)
		require.Equal(t, b.h.offset, tl.Windows[0].To)
		if opt.Level == upload.VerifyDeep {
			require.Equal(t, len(b.segs)+2, rep.Objects)
		}
	}
	_, err := upload.VerifyArchive(t.Context(), b.store, upload.VerifyOptions{Level: upload.VerifyDeep})
	var missing *upload.IdentityError
	require.ErrorAs(t, err, &missing)
	_, err = upload.VerifyArchive(t.Context(), b.store, upload.VerifyOptions{Timeline: "1763800009-aaaaaaaa"})
	require.ErrorIs(t, err, upload.ErrNoBackup)
}

func TestVerifyFindsAHole(t *testing.T) {
	b := newBackup(t, upload.SealOptions{})
	b.base(someRDB(t, b.h, 10, rdb.Format{Version: 11}, ""))
	for range 3 {
		b.increment(20, false, true)
	}
	require.NoError(t, b.store.Delete(t.Context(), b.segs[1].String()))
	rep := b.verify(upload.VerifyOptions{})
	require.False(t, rep.OK())
	require.Equal(t, []upload.VerifyHole{{From: b.segs[1].From, To: b.segs[1].To}}, rep.Timelines[0].Holes)
	_, err := b.restore(upload.RestoreOptions{Dir: t.TempDir()})
	var hole *upload.HoleError
	require.ErrorAs(t, err, &hole)

	b.base(someRDB(t, b.h, 10, rdb.Format{Version: 11}, ""))
	rep = b.verify(upload.VerifyOptions{})
	require.True(t, rep.OK(), "a base closes it")
	require.Len(t, rep.Timelines[0].Windows, 2)
	require.True(t, rep.Timelines[0].Holes[0].Closed)
	dir := t.TempDir()
	got, err := b.restore(upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	b.requireRestored(dir, got)
}

// TestHoleBehindWhatWasConfirmed: of segments on their way a later one was stored and an earlier one not. The lease tells such a hole from one in what was stored.
func TestHoleBehindWhatWasConfirmed(t *testing.T) {
	b := newBackup(t, upload.SealOptions{})
	b.base(someRDB(t, b.h, 10, rdb.Format{Version: 11}, ""))
	for range 4 {
		b.increment(20, false, true)
	}
	lost := b.segs[1]
	require.NoError(t, b.store.Delete(t.Context(), lost.String()))
	leaseOf := func(epoch int, timeline string, offset stream.Offset) {
		require.NoError(t, b.store.Delete(t.Context(), upload.LeaseKey()))
		b.put(upload.LeaseKey(), fmt.Appendf(nil, `{"epoch":%d,"timeline":%q,"offset":%d}`, epoch, timeline, offset))
	}
	lease := func(timeline string, offset stream.Offset) { leaseOf(1, timeline, offset) }
	epoch := func(n int, timeline string, offset stream.Offset) {
		b.put(upload.EpochKey(int64(n)), fmt.Appendf(nil, `{"epoch":%d,"timeline":"1763800099-aaaaaaaa","shipped":[{"timeline":%q,"offset":%d}]}`, n, timeline, offset))
	}
	const other = "1763800099-aaaaaaaa"
	for _, step := range []struct {
		what string
		do   func()
		ok   bool
	}{
		{"nobody ever took a lease", func() {}, false},
		{"it says that more was stored", func() { lease(someTimeline, lost.From+1) }, false},
		{"it says that all before the hole was", func() { lease(someTimeline, lost.From) }, true},
		{"it says that less was", func() { lease(someTimeline, lost.From-1) }, true},
		{"it is no record", func() { b.put(upload.LeaseKey(), []byte("{")) }, false},
		{"it speaks of another timeline", func() { lease(other, 7) }, false},
		{"but an epoch remembers what it said", func() { epoch(2, someTimeline, lost.From) }, true},
		{"and a later one that more was stored", func() { epoch(3, someTimeline, lost.To) }, false},
		{"which no lease takes back", func() { lease(someTimeline, lost.From) }, false},
		{"but was never said", func() { require.NoError(t, b.store.Delete(t.Context(), upload.EpochKey(3))) }, true},
		{"who has the lease has stored more since", func() { leaseOf(0, someTimeline, lost.From) }, true},
		{"and so has who came behind it", func() { require.NoError(t, b.store.Delete(t.Context(), upload.EpochKey(2))) }, false},
	} {
		t.Run(step.what, func(t *testing.T) {
			step.do()
			rep := b.verify(upload.VerifyOptions{})
			require.Equal(t, step.ok, rep.OK())
			require.Equal(t, []upload.VerifyHole{{From: lost.From, To: lost.To, Unconfirmed: step.ok}}, rep.Timelines[0].Holes)
			for _, behind := range []stream.Offset{lost.To, b.segs[3].To} { // to a place behind it there is no way
				_, err := b.restore(upload.RestoreOptions{Target: upload.Target{Offset: &behind}, Dir: t.TempDir()})
				_, hole := errors.AsType[*upload.HoleError](err)
				require.True(t, hole, "%v", err)
			}
			dir := t.TempDir()
			got, err := b.restore(upload.RestoreOptions{Dir: dir})
			if !step.ok {
				_, hole := errors.AsType[*upload.HoleError](err)
				require.True(t, hole, "%v", err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, lost.From, got.Offset)
			require.Len(t, got.Notes, 1)
			require.Contains(t, got.Notes[0], fmt.Sprintf("ends at offset %d", lost.From))
			b.requireRestored(dir, got)
		})
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	var want []string
	for _, key := range []string{b.bases[0].String(), b.segs[1].String(), b.segs[7].String()} {
		path := filepath.Join(b.dir, filepath.FromSlash(key))
		p, err := os.ReadFile(path)
		require.NoError(t, err)
		p[len(p)/2] ^= 4
		require.NoError(t, os.Chmod(path, 0o600))
		require.NoError(t, os.WriteFile(path, p, 0o600))
		want = append(want, key)
	}
	require.True(t, new(upload.VerifyReport).OK())
	byName := b.verify(upload.VerifyOptions{})
	require.True(t, byName.OK(), "names do not tell")
	rep := b.verify(upload.VerifyOptions{Level: upload.VerifyDeep, Parallelism: 2})
	require.False(t, rep.OK())
	var got []string
	for _, d := range rep.Damaged {
		got = append(got, d.Key)
	}
	require.ElementsMatch(t, want, got)
}
