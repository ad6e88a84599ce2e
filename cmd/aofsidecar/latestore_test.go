package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/filestore"
)

func failOpen(context.Context) (upload.Store, error) { return nil, errAway }

// A store that cannot be opened is one that is away: everything fails, temporarily, until it can.
func TestLateStoreIsAwayUntilItOpens(t *testing.T) {
	dir := t.TempDir()
	s := &lateStore{url: "file://" + dir, open: failOpen}
	ctx := t.Context()
	var errs []error
	_, err := s.Put(ctx, "a", bodyOf([]byte("x")), upload.Condition{})
	errs = append(errs, err)
	_, _, err = s.Get(ctx, "a", 0, -1)
	errs = append(errs, err)
	for _, err := range s.List(ctx, "", "") {
		errs = append(errs, err)
	}
	errs = append(errs, s.Delete(ctx, "a"))
	_, err = s.Sweep(ctx, "", time.Now())
	errs = append(errs, err)
	require.Len(t, errs, 5)
	for _, err := range errs {
		failure := new(upload.StoreError)
		require.ErrorAs(t, err, &failure)
		require.True(t, failure.Temporary)
		require.ErrorIs(t, err, errAway)
	}
	require.Equal(t, "file://"+dir, s.String())

	opened := 0
	s.open = func(context.Context) (upload.Store, error) {
		opened++
		return filestore.Open(dir)
	}
	_, err = s.Put(ctx, "a", bodyOf([]byte("x")), upload.Condition{})
	require.NoError(t, err)
	body, object, err := s.Get(ctx, "a", 0, -1)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.EqualValues(t, 1, object.Size)
	for object, err := range s.List(ctx, "", "") {
		require.NoError(t, err)
		require.Equal(t, "a", object.Key)
	}
	require.NoError(t, s.Delete(ctx, "a"))
	_, err = s.Sweep(ctx, "", time.Now())
	require.NoError(t, err)
	require.Equal(t, 1, opened)
}

// While another sidecar ships, and only then, the archive is a reason not to be ready.
func TestShippingIsNotReadyWhileAnotherShips(t *testing.T) {
	s := &shipping{}
	var heard []string
	o := s.watchLease(upload.Observer{
		LeaseTaken: func(upload.LeaseRecord) { heard = append(heard, "taken") },
		LeaseHeld:  func(upload.LeaseRecord) { heard = append(heard, "held") },
	})
	require.NoError(t, s.ready())
	o.LeaseHeld(upload.LeaseRecord{Holder: "h", Host: "node-1", Epoch: 7})
	require.EqualError(t, s.ready(), "another sidecar ships to the archive: node-1 (h) holds the lease (epoch 7)")
	o.LeaseTaken(upload.LeaseRecord{})
	require.NoError(t, s.ready())
	require.Equal(t, []string{"held", "taken"}, heard)
}
