package upload_test

import (
	"bytes"
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

// attempts collects what is observed.
type attempts struct{ all []upload.Attempt }

func (a *attempts) options() upload.RetryOptions {
	return upload.RetryOptions{Observe: func(got upload.Attempt) { a.all = append(a.all, got) }}
}

func (a *attempts) codes() string {
	var codes []string
	for _, one := range a.all {
		codes = append(codes, one.Op+" "+one.Code)
	}
	return strings.Join(codes, ", ")
}

func body(text string) upload.Body {
	return upload.Body{Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func unknown(text string) upload.Body {
	b := body(text)
	b.Size = -1
	return b
}

func readAll(t *testing.T, store upload.Store, from, n int64) (string, error) {
	t.Helper()
	r, _, err := store.Get(t.Context(), "a", from, n)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(r)
	require.NoError(t, r.Close())
	return string(data), err
}

// An outage of an hour costs waits that grow up to the cap, and no more.
func TestRetryOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := newScripted(), &attempts{}
		end := time.Now().Add(time.Hour)
		var outage func(context.Context) error
		outage = func(context.Context) error {
			if time.Now().After(end) {
				return nil
			}
			store.script["put"] = append(store.script["put"], outage)
			return temporary("SlowDown")
		}
		store.script["put"] = append(store.script["put"], outage)
		_, err := upload.Retry(store, seen.options()).Put(t.Context(), "a", body("content"), upload.Condition{Absent: true})
		require.NoError(t, err)
		require.Equal(t, "content", string(store.objects["a"]))
		require.Less(t, time.Since(end), time.Minute)
		n := len(seen.all)
		require.Less(t, n, 250)
		require.Greater(t, n, 80)
		require.Less(t, seen.all[0].Wait, 301*time.Millisecond)
		for _, one := range seen.all[:n-1] {
			require.Equal(t, "SlowDown", one.Code)
			require.True(t, one.Again)
			require.Positive(t, one.Wait)
			require.LessOrEqual(t, one.Wait, 45*time.Second)
		}
		require.Equal(t, "OK", seen.all[n-1].Code)
		require.Equal(t, int64(len("content")), seen.all[n-1].Bytes)
	})
}

func TestRetryGivesUpOnWhatIsFinal(t *testing.T) {
	for name, failure := range map[string]error{
		"denied": final("AccessDenied"), "exists": &upload.StoreError{Op: "put", Key: "a", Err: upload.ErrExists}, "other": io.ErrClosedPipe,
	} {
		t.Run(name, func(t *testing.T) {
			store, seen := newScripted(), &attempts{}
			for _, op := range []string{"put", "get", "list", "delete", "sweep"} {
				store.script[op] = append(store.script[op], fails(failure))
			}
			store.objects["x"] = []byte("x")
			retry := upload.Retry(store, seen.options())
			_, err := retry.Put(t.Context(), "a", body("content"), upload.Condition{})
			require.ErrorIs(t, err, failure)
			_, _, err = retry.Get(t.Context(), "a", 0, -1)
			require.ErrorIs(t, err, failure)
			require.ErrorIs(t, retry.Delete(t.Context(), "a"), failure)
			_, err = retry.Sweep(t.Context(), "", time.Now())
			require.ErrorIs(t, err, failure)
			for _, err := range retry.List(t.Context(), "", "") {
				require.ErrorIs(t, err, failure)
			}
			require.Len(t, seen.all, 5)
			for _, one := range seen.all {
				require.False(t, one.Again)
			}
		})
	}
}

func TestRetryHonoursWhatTheServerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScripted()
		for _, after := range []time.Duration{17 * time.Second, 100 * time.Hour} {
			store.script["delete"] = []func(context.Context) error{fails(&upload.StoreError{Op: "delete", Key: "a", Temporary: true, After: after, Err: io.EOF})}
			began := time.Now()
			require.NoError(t, upload.Retry(store, upload.RetryOptions{}).Delete(t.Context(), "a"))
			require.Equal(t, min(after, 5*time.Minute), time.Since(began))
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		store, seen := newScripted(), &attempts{}
		for range 100 {
			store.script["delete"] = append(store.script["delete"], fails(temporary("SlowDown")))
		}
		time.AfterFunc(10*time.Second, func() { cancel(enough) })
		began := time.Now()
		require.ErrorIs(t, upload.Retry(store, seen.options()).Delete(ctx, "a"), enough)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.ErrorIs(t, upload.Retry(store, seen.options()).Delete(ctx, "a"), enough)
		require.Equal(t, "Canceled", seen.all[len(seen.all)-1].Code)
	})
}

func TestRetryCountsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := newScripted(), &attempts{}
		for range 10 {
			store.script["delete"] = append(store.script["delete"], fails(temporary("SlowDown")))
		}
		o := seen.options()
		o.Attempts = 3
		require.Error(t, upload.Retry(store, o).Delete(t.Context(), "a"))
		require.Len(t, seen.all, 3)
		require.False(t, seen.all[2].Again)
	})
}

// A conditional Put whose answer was lost finds its own object, and only its own.
func TestRetryKnowsItsOwnPut(t *testing.T) {
	for _, c := range []struct {
		name  string
		cond  upload.Condition
		body  upload.Body
		other string // who came between
		want  error
	}{
		{"absent", upload.Condition{Absent: true}, body("ours"), "", nil},
		{"absent, unknown size", upload.Condition{Absent: true}, unknown("ours"), "", nil},
		{"etag", upload.Condition{ETag: etag([]byte("old"))}, body("ours"), "", nil},
		{"absent, another one came", upload.Condition{Absent: true}, unknown("ours"), "theirs", upload.ErrExists},
		{"absent, another one of that length came", upload.Condition{Absent: true}, body("ours"), "0urs", upload.ErrExists},
		{"absent, a longer one came", upload.Condition{Absent: true}, unknown("ours"), "ours and more", upload.ErrExists},
		{"etag, another one came", upload.Condition{ETag: etag([]byte("old"))}, body("ours"), "theirs", upload.ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newScripted()
				if c.cond.ETag != "" {
					store.objects["a"] = []byte("old")
				}
				store.script["put"] = []func(context.Context) error{fails(lost{temporary("ConnectionReset")}), func(context.Context) error {
					if c.other != "" {
						store.objects["a"] = []byte(c.other)
					}
					return nil
				}}
				// The look at what is there fails once, too.
				store.script["get"] = []func(context.Context) error{fails(temporary("SlowDown"))}
				object, err := upload.Retry(store, upload.RetryOptions{}).Put(t.Context(), "a", c.body, c.cond)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
					return
				}
				require.NoError(t, err)
				require.Equal(t, etag([]byte("ours")), object.ETag)
			})
		})
	}
}

// Without a lost answer nobody's object is taken for ours, not even its like.
func TestRetryAdoptsNothingAtFirst(t *testing.T) {
	store := newScripted()
	store.objects["a"] = []byte("same")
	_, err := upload.Retry(store, upload.RetryOptions{}).Put(t.Context(), "a", body("same"), upload.Condition{Absent: true})
	require.ErrorIs(t, err, upload.ErrExists)
}

func TestGetResumesWhereItWasCut(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	for _, c := range []struct{ from, n int64 }{{0, -1}, {0, 10_000}, {5, -1}, {17, 5000}, {9_999, 1}, {0, 20_000}} {
		synctest.Test(t, func(t *testing.T) {
			store, seen := newScripted(), &attempts{}
			store.objects["a"] = []byte(content)
			for _, after := range []int64{1, 0, 0, 4000, 700} {
				store.cut = append(store.cut, cut{after: after, err: temporary("ConnectionReset")})
			}
			store.script["get"] = []func(context.Context) error{nil, fails(temporary("SlowDown"))}
			want := content[c.from:]
			if c.n >= 0 && c.n < int64(len(want)) {
				want = want[:c.n]
			}
			got, err := readAll(t, upload.Retry(store, seen.options()), c.from, c.n)
			require.NoError(t, err)
			require.Equal(t, want, got)
			total := int64(0)
			for _, one := range seen.all {
				total += one.Bytes
			}
			require.Equal(t, int64(len(want)), total)
			require.Equal(t, "OK", seen.all[len(seen.all)-1].Code)
		})
	}
}

func TestGetDoesNotMixObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScripted()
		store.objects["a"] = []byte("first content")
		store.cut = []cut{{after: 5, err: temporary("ConnectionReset")}}
		store.script["get"] = []func(context.Context) error{nil, func(context.Context) error {
			store.objects["a"] = []byte("other content")
			return nil
		}}
		got, err := readAll(t, upload.Retry(store, upload.RetryOptions{}), 0, -1)
		require.ErrorIs(t, err, upload.ErrChanged)
		require.Equal(t, "first", got)
	})
}

// What a Get says at its end is its error, also if all bytes came: a checksum that does not match.
func TestGetPassesWhatIsFinal(t *testing.T) {
	store := newScripted()
	store.objects["a"] = []byte("content")
	store.cut = []cut{{after: 7, err: &upload.StoreError{Op: "get", Key: "a", Err: upload.ErrChecksum}}}
	_, err := readAll(t, upload.Retry(store, upload.RetryOptions{}), 0, -1)
	require.ErrorIs(t, err, upload.ErrChecksum)
}

// A store that ends early without an error is asked for the rest.
func TestGetIsNotShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScripted()
		store.objects["a"] = []byte("content")
		store.cut = []cut{{after: 3, err: io.EOF}}
		got, err := readAll(t, upload.Retry(store, upload.RetryOptions{}), 0, -1)
		require.NoError(t, err)
		require.Equal(t, "content", got)
	})
}

func TestGetClosedEarly(t *testing.T) {
	store, seen := newScripted(), &attempts{}
	store.objects["a"] = []byte("content")
	r, _, err := upload.Retry(store, seen.options()).Get(t.Context(), "a", 0, -1)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	require.Error(t, err)
	require.Equal(t, "get OK", seen.codes())
}

func TestListGoesOnBehindItsLastObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := newScripted(), &attempts{}
		want := []string{}
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			store.objects[key] = []byte(key)
			want = append(want, key)
		}
		store.script["list"] = []func(context.Context) error{nil, nil, fails(temporary("SlowDown")), fails(temporary("SlowDown")), nil, fails(temporary("SlowDown"))}
		got := []string{}
		for object, err := range upload.Retry(store, seen.options()).List(t.Context(), "", "") {
			require.NoError(t, err)
			got = append(got, object.Key)
		}
		require.Equal(t, want, got)
		require.Equal(t, "list SlowDown, list SlowDown, list SlowDown, list OK", seen.codes())
	})
}

func TestBodyIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newScripted()
		store.script["put"] = []func(context.Context) error{fails(lost{temporary("Timeout")}), fails(temporary("Timeout"))}
		opened := 0
		b := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(bytes.NewReader([]byte("content"))), nil
		}}
		_, err := upload.Retry(store, upload.RetryOptions{}).Put(t.Context(), "a", b, upload.Condition{})
		require.NoError(t, err)
		require.Equal(t, 2, opened)
		require.Equal(t, "content", string(store.objects["a"]))
	})
}
