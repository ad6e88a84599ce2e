package upload_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

const patience = 30 * time.Second

func requireStalled(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, upload.ErrStalled)
	var failure *upload.StoreError
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Temporary)
	require.Equal(t, "Stalled", failure.Code)
}

func TestStallEndsWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newScripted()
		inner.objects["a"] = []byte("content")
		store := upload.Stall(inner, patience)
		for _, op := range []string{"put", "get", "list", "delete", "sweep"} {
			inner.script[op] = []func(context.Context) error{hangs}
		}
		began := time.Now()
		_, err := store.Put(t.Context(), "b", body("content"), upload.Condition{})
		requireStalled(t, err)
		_, _, err = store.Get(t.Context(), "a", 0, -1)
		requireStalled(t, err)
		for _, err := range store.List(t.Context(), "", "") {
			requireStalled(t, err)
		}
		requireStalled(t, store.Delete(t.Context(), "a"))
		_, err = store.Sweep(t.Context(), "", time.Now())
		requireStalled(t, err)
		require.Equal(t, 5*patience, time.Since(began))
	})
}

// A body of which something comes now and then takes as long as it takes.
func TestStallLeavesWhatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := upload.Stall(newScripted(), patience)
		slow := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(&slowReader{Reader: strings.NewReader(strings.Repeat("x", 10_000)), wait: patience - time.Second}), nil
		}}
		began := time.Now()
		_, err := store.Put(t.Context(), "a", slow, upload.Condition{})
		require.NoError(t, err)
		require.Greater(t, time.Since(began), 40*time.Minute)
	})
}

type slowReader struct {
	io.Reader

	wait time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	<-time.After(r.wait)
	return r.Reader.Read(p)
}

// The reader of a Get may take his time between two Reads; the store may not within one. With Retry around it, nothing of it is seen.
func TestStallInTheMiddleOfABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, seen := newScripted(), &attempts{}
		content := strings.Repeat("0123456789", 100)
		inner.objects["a"] = []byte(content)
		inner.cut = []cut{{after: 500, hang: true}}
		store := upload.Retry(upload.Stall(inner, patience), seen.options())
		r, _, err := store.Get(t.Context(), "a", 0, -1)
		require.NoError(t, err)
		buffer := make([]byte, 500)
		_, err = io.ReadFull(r, buffer)
		require.NoError(t, err)
		<-time.After(10 * patience)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, content, string(buffer)+string(rest))
		require.NoError(t, r.Close())
		require.Equal(t, "get Stalled, get OK", seen.codes())
	})
}

// Somebody else's end is not a stall.
func TestStallIsNotACancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newScripted()
		inner.script["delete"] = []func(context.Context) error{hangs}
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		require.ErrorIs(t, upload.Stall(inner, patience).Delete(ctx, "a"), enough)
	})
}

// What moves within an inner watch moves the outer one.
func TestWatchesNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stopOuter := upload.Watch(t.Context(), patience)
		defer stopOuter()
		inner, stopInner := upload.Watch(outer, 2*patience)
		defer stopInner()
		for range 10 {
			<-time.After(patience - 1)
			upload.Moved(inner)
		}
		require.NoError(t, outer.Err())
		<-time.After(patience)
		synctest.Wait()
		require.ErrorIs(t, context.Cause(inner), upload.ErrStalled)
	})
}

func TestLimitIsTheRateOfAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 100 << 10
		inner := newScripted()
		store := upload.Limit(upload.Stall(inner, patience), rate)
		content := strings.Repeat("x", 10*rate)
		began := time.Now()
		_, err := store.Put(t.Context(), "a", body(content), upload.Condition{})
		require.NoError(t, err)
		got, err := readAll(t, store, 0, -1)
		require.NoError(t, err)
		require.Equal(t, content, got)
		require.InDelta(t, (19 * time.Second).Seconds(), time.Since(began).Seconds(), 0.5) // the first second's worth is free
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		time.AfterFunc(time.Second, func() { cancel(enough) })
		_, err = store.Put(ctx, "b", body(content), upload.Condition{})
		require.ErrorIs(t, err, enough)
	})
}
