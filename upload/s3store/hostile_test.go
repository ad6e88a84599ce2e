package s3store

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

// hostileStore is a store at a server that answers as it likes.
func hostileStore(t *testing.T, answer http.HandlerFunc) *Store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	store, err := Open(t.Context(), Options{Bucket: "bucket", Prefix: "prod", Region: "us-east-1", Endpoint: server.URL, PathStyle: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

const listHead = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated>`

// without sends text over and over until nobody reads any more.
func without(end string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, listHead)
		for block := strings.Repeat(end, 1+100_000/len(end)); err == nil; {
			_, err = io.WriteString(w, block)
		}
	}
}

func listAll(t *testing.T, store upload.Store) (names []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for object, err := range store.List(ctx, "", "") {
		if err != nil {
			return names, err
		}
		names = append(names, object.Key)
	}
	return names, nil
}

// What a store answers, but for objects, is read up to a bound, whatever it consists of.
func TestAnswersHaveAnEnd(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a key":    without("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"),
		"objects":  without("<Contents><Key>prod/a</Key></Contents>"),
		"nothing":  without("<Contents/>"),
		"nesting":  without("<a>"),
		"entities": without("<Key>&amp;&amp;"),
		"blanks":   without(" "),
		"an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			without("<Message>no")(w, r)
		},
		"a failure": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound); without("x")(w, r) },
		"a header": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100_000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := hostileStore(t, answer)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := listAll(t, store)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, len(err.Error()), 4<<10)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20))
		})
	}
}

// A listing that comes to no end ends: pages that say the same, and pages with nothing of ours.
func TestListingsHaveAnEnd(t *testing.T) {
	var pages atomic.Int64
	for name, page := range map[string]func() string{
		"the same token": func() string { return `<NextContinuationToken>again</NextContinuationToken>` },
		"nothing of ours": func() string {
			return fmt.Sprintf(`<NextContinuationToken>%d</NextContinuationToken><Contents><Key>%d</Key></Contents>`, pages.Load(), pages.Load())
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := hostileStore(t, func(w http.ResponseWriter, _ *http.Request) {
				pages.Add(1)
				_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>true</IsTruncated>`+page()+`</ListBucketResult>`)
			})
			names, err := listAll(t, store)
			require.Empty(t, names)
			var failure *upload.StoreError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, "NoEnd", failure.Code)
		})
	}
}

// Names that are no keys of ours, whatever they lead to elsewhere, are no objects.
func TestNamesThatAreNoKeys(t *testing.T) {
	store := hostileStore(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, listHead)
		for _, name := range []string{
			"/etc/passwd", "../prod/x", "other/a", "prod", "prod/", "prod//etc/passwd", "prod/../../etc/passwd", "prod/.", "prod/a/../b", "prod/a/./b", "prod/a//b",
			"prod/a&#10;b", "prod/a&#27;b", "prod/" + strings.Repeat("k", 2000),
		} {
			_, _ = io.WriteString(w, "<Contents><Key>"+name+"</Key></Contents>")
		}
		_, _ = io.WriteString(w, "<Contents><Key>prod/timelines/x</Key></Contents></ListBucketResult>")
	})
	names, err := listAll(t, store)
	if err == nil { // XML has no &#27;
		require.Equal(t, []string{"timelines/x"}, names)
	}
}

// What a store says of an error comes to terminals and labels.
func TestErrorsAreForPeople(t *testing.T) {
	store := hostileStore(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>Access\nTry: curl evil\u009b31m"+strings.Repeat("x", 100_000)+"</Code><Message>no\r\nTry: curl evil\u202e"+strings.Repeat("x", 100_000)+"</Message></Error>")
	})
	_, err := listAll(t, store)
	var failure *upload.StoreError
	require.ErrorAs(t, err, &failure)
	require.LessOrEqual(t, len(failure.Code), 64)
	require.Less(t, len(err.Error()), 2<<10)
	for _, r := range err.Error() + failure.Code {
		require.False(t, r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x202e, "%q", err.Error())
	}
	require.NotContains(t, err.Error(), "s3cret")
}

// Credentials go where the configuration says, and nowhere that an answer says.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		store := hostileStore(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL+r.URL.Path)
			w.Header().Set("X-Amz-Bucket-Region", "elsewhere-1")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<Error><Code>PermanentRedirect</Code><Endpoint>"+elsewhere.URL+"</Endpoint></Error>")
		})
		_, err := listAll(t, store)
		require.Error(t, err)
		_, _, err = store.Get(t.Context(), "k", 0, -1)
		require.Error(t, err)
		require.Zero(t, followed.Load())
	}
}
