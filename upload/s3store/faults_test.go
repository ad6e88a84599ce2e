package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/storetest"
)

// stall is short enough for a test, and long for a loopback.
const stall = time.Second

// behindFaults is a store with all decorators, over a proxy.
func behindFaults(t *testing.T) (store upload.Store, proxy *s3gateway.Proxy, codes func() []string) {
	t.Helper()
	proxy = s3gateway.NewProxy(t, gateway.Addr())
	o, _ := bucket(t, proxy)
	o.PartStall = stall
	var seen []string
	retry := upload.RetryOptions{First: time.Millisecond, Max: 20 * time.Millisecond, Observe: func(a upload.Attempt) { seen = append(seen, a.Code) }}
	return upload.Retry(upload.Stall(open(t, o), 2*stall), retry), proxy, func() []string { return seen }
}

func get(t *testing.T, store upload.Store, key string, from, n int64) []byte {
	t.Helper()
	r, _, err := store.Get(t.Context(), key, from, n)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return data
}

// Whatever happens to single requests, each object is there once, whole, and by whoever was first.
func TestPutThroughFaults(t *testing.T) {
	small, large := storetest.Random(100_000), storetest.Random(20<<20)
	faults := map[string]s3gateway.Fault{
		"SlowDown":        {Kind: s3gateway.Answer, Status: 503, Code: "SlowDown"},
		"500":             {Kind: s3gateway.Answer, Status: 500, Code: "InternalError"},
		"502 of a proxy":  {Kind: s3gateway.Answer, Status: 502},
		"429":             {Kind: s3gateway.Answer, Status: 429, Code: "TooManyRequests"},
		"RequestTimeout":  {Kind: s3gateway.Answer, Status: 400, Code: "RequestTimeout"},
		"409":             {Kind: s3gateway.Answer, Status: 409, Code: "ConditionalRequestConflict"},
		"reset":           {Kind: s3gateway.Reset},
		"answer lost":     {Kind: s3gateway.LoseAnswer},
		"hang":            {Kind: s3gateway.HangRequest, At: 50_000},
		"answer cut":      {Kind: s3gateway.Truncate, At: 0},
		"delay":           {Kind: s3gateway.Delay, Delay: 100 * time.Millisecond},
		"damage on wires": {Kind: s3gateway.FlipRequest, At: 5_000},
	}
	for name, fault := range faults {
		for _, operation := range []string{"PutObject", "HeadObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} {
			if (name == "damage on wires" || name == "hang") && operation != "PutObject" && operation != "UploadPart" {
				continue
			}
			if (name == "RequestTimeout" || name == "409") && operation == "HeadObject" {
				continue // its answers have no body for a code
			}
			t.Run(name+" of "+operation, func(t *testing.T) {
				store, proxy, _ := behindFaults(t)
				data := large
				if operation == "PutObject" {
					data = small
				}
				fault.Match, fault.Times = s3gateway.On(operation), 2
				if fault.Kind == s3gateway.HangRequest {
					fault.Times = 1
				}
				proxy.Plan(fault)
				object, err := store.Put(t.Context(), "a/b", storetest.Stream(data), upload.Condition{Absent: true})
				require.NoError(t, err)
				require.Equal(t, int64(len(data)), object.Size)
				proxy.Plan()
				require.True(t, bytes.Equal(data, get(t, store, "a/b", 0, -1)))
				_, err = store.Put(t.Context(), "a/b", storetest.Stream(data), upload.Condition{Absent: true})
				require.ErrorIs(t, err, upload.ErrExists)
			})
		}
	}
}

func TestGetThroughFaults(t *testing.T) {
	data := storetest.Random(3 << 20)
	for name, fault := range map[string]s3gateway.Fault{
		"SlowDown":           {Kind: s3gateway.Answer, Status: 503, Code: "SlowDown"},
		"reset":              {Kind: s3gateway.Reset},
		"hang in the header": {Kind: s3gateway.HangRequest},
		"hang in the body":   {Kind: s3gateway.HangAnswer, At: 1 << 20},
		"cut":                {Kind: s3gateway.Truncate, At: 1<<20 + 1},
		"cut at once":        {Kind: s3gateway.Truncate, At: 0},
	} {
		t.Run(name, func(t *testing.T) {
			store, proxy, codes := behindFaults(t)
			_, err := store.Put(t.Context(), "a", storetest.Body(data), upload.Condition{})
			require.NoError(t, err)
			for _, c := range []struct{ from, n int64 }{{0, -1}, {12345, 2 << 20}} {
				fault.Match, fault.Times = s3gateway.On("GetObject"), 2
				if fault.Kind == s3gateway.HangAnswer || fault.Kind == s3gateway.HangRequest {
					fault.Times = 1
				}
				proxy.Plan(fault)
				want := data[c.from:]
				if c.n > 0 {
					want = want[:c.n]
				}
				require.True(t, bytes.Equal(want, get(t, store, "a", c.from, c.n)), "%v", codes())
			}
			require.Greater(t, len(codes()), 3) // net/http itself asks again after some resets
		})
	}
}

// Damage of a whole object is seen at its end, and is not tried again: the bytes before it have been given.
func TestGetSeesDamage(t *testing.T) {
	for _, size := range []int64{1000, 20 << 20} {
		store, proxy, _ := behindFaults(t)
		_, err := store.Put(t.Context(), "a", storetest.Stream(storetest.Random(size)), upload.Condition{})
		require.NoError(t, err)
		proxy.Plan(s3gateway.Fault{Kind: s3gateway.FlipAnswer, At: 500, Match: s3gateway.On("GetObject")})
		r, _, err := store.Get(t.Context(), "a", 0, -1)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, r)
		require.ErrorIs(t, err, upload.ErrChecksum)
		require.NoError(t, r.Close())
	}
}

// Damage in the store itself, of the file that the gateway has.
func TestGetSeesDamageInTheStore(t *testing.T) {
	o, dir := bucket(t, nil)
	store := open(t, o)
	_, err := store.Put(t.Context(), "a", storetest.Body([]byte("content")), upload.Condition{})
	require.NoError(t, err)
	f, err := os.OpenFile(filepath.Join(dir, "some", "prefix", "a"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("damaged")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	r, _, err := store.Get(t.Context(), "a", 0, -1)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, upload.ErrChecksum)
	require.NoError(t, r.Close())
}

func TestListAndDeleteThroughFaults(t *testing.T) {
	store, proxy, _ := behindFaults(t)
	for _, key := range []string{"a", "b", "c"} {
		_, err := store.Put(t.Context(), key, storetest.Body(nil), upload.Condition{})
		require.NoError(t, err)
	}
	for _, fault := range []s3gateway.Fault{
		{Kind: s3gateway.Answer, Status: 503, Code: "SlowDown"},
		{Kind: s3gateway.LoseAnswer},
		{Kind: s3gateway.Reset},
		{Kind: s3gateway.Truncate, At: 100},
		{Kind: s3gateway.HangRequest},
	} {
		fault.Times = 1
		proxy.Plan(fault)
		keys := ""
		for object, err := range store.List(t.Context(), "", "") {
			require.NoError(t, err)
			keys += object.Key
		}
		require.Equal(t, "abc", keys)
		if fault.Kind != s3gateway.Truncate { // an answer to DELETE has no body to cut
			proxy.Plan(fault)
			require.NoError(t, store.Delete(t.Context(), "gone"))
		}
		proxy.Plan(fault)
		_, err := store.Sweep(t.Context(), "", time.Now())
		require.NoError(t, err)
	}
}

// A part that hangs is sent again by itself, and not the whole body.
func TestOnePartHangs(t *testing.T) {
	store, proxy, codes := behindFaults(t)
	proxy.Plan(s3gateway.Fault{Kind: s3gateway.HangRequest, At: 1000, Skip: 2, Times: 1, Match: s3gateway.On("UploadPart")})
	data := storetest.Random(60 << 20)
	_, err := store.Put(t.Context(), "a", storetest.Stream(data), upload.Condition{})
	require.NoError(t, err)
	require.Equal(t, []string{"OK"}, codes())
	require.Equal(t, 9, proxy.Counts()["UploadPart"])
	require.Equal(t, 1, proxy.Counts()["CreateMultipartUpload"])
}

// An upload that a rule of the bucket took away is begun again.
func TestUploadIsTakenAway(t *testing.T) {
	store, proxy, codes := behindFaults(t)
	proxy.Plan(s3gateway.Fault{Kind: s3gateway.Answer, Status: 404, Code: "NoSuchUpload", Times: 1, Match: s3gateway.On("UploadPart")})
	_, err := store.Put(t.Context(), "a", storetest.Stream(storetest.Random(20<<20)), upload.Condition{Absent: true})
	require.NoError(t, err)
	require.Equal(t, []string{"NoSuchUpload", "OK"}, codes())
}

func failureOf(t *testing.T, err error) *upload.StoreError {
	t.Helper()
	var failure *upload.StoreError
	require.ErrorAs(t, err, &failure)
	return failure
}

// What S3 and those who speak it answer, and what it means.
func TestAnswers(t *testing.T) {
	proxy := s3gateway.NewProxy(t, gateway.Addr())
	o, _ := bucket(t, proxy)
	store := open(t, o)
	absent, etag, none := upload.Condition{Absent: true}, upload.Condition{ETag: `"x"`}, upload.Condition{}
	put := func(cond upload.Condition) func() error {
		return func() error {
			_, err := store.Put(t.Context(), "a", storetest.Body(nil), cond)
			return err
		}
	}
	read := func() error {
		_, _, err := store.Get(t.Context(), "a", 0, -1)
		return err
	}
	remove := func() error { return store.Delete(t.Context(), "a") }
	for _, c := range []struct {
		status    int
		code      string
		do        func() error
		want      error
		temporary bool
	}{
		{412, "PreconditionFailed", put(absent), upload.ErrExists, false},
		{412, "PreconditionFailed", put(etag), upload.ErrChanged, false},
		{404, "NoSuchKey", put(etag), upload.ErrChanged, false},
		{404, "NoSuchBucket", put(etag), nil, false},
		{404, "NoSuchBucket", read, nil, false},
		{404, "NoSuchKey", read, upload.ErrNotFound, false},
		{404, "", read, upload.ErrNotFound, false},
		{409, "ConditionalRequestConflict", put(absent), nil, true},
		{409, "InvalidBucketState", put(none), nil, false},
		{501, "NotImplemented", put(absent), upload.ErrUnconditional, false},
		{501, "NotImplemented", put(none), nil, false},
		{400, "InvalidArgument", put(none), nil, false},
		{400, "ExpiredToken", put(none), nil, false},
		{400, "RequestTimeout", put(none), nil, true},
		{400, "BadDigest", put(none), nil, true},
		{403, "AccessDenied", put(none), nil, false},
		{403, "AccessDenied", read, nil, false},
		{403, "AccessDenied", remove, upload.ErrRetained, false},
		{403, "", remove, upload.ErrRetained, false},
		{403, "InvalidAccessKeyId", remove, nil, false},
		{403, "SignatureDoesNotMatch", remove, nil, false},
		{403, "RequestTimeTooSkewed", read, nil, true},
		{405, "MethodNotAllowed", remove, upload.ErrRetained, false},
		{404, "NoSuchKey", remove, nil, false},
		{301, "PermanentRedirect", read, nil, false},
		{307, "TemporaryRedirect", read, nil, true},
		{408, "", read, nil, true},
		{429, "", read, nil, true},
		{500, "InternalError", read, nil, true},
		{502, "", read, nil, true},
		{503, "SlowDown", put(absent), nil, true},
		{504, "", remove, nil, true},
	} {
		proxy.Plan(s3gateway.Fault{Kind: s3gateway.Answer, Status: c.status, Code: c.code, RetryAfter: 7})
		err := c.do()
		if c.code == "NoSuchKey" && c.status == 404 && err == nil {
			continue // the DELETE of what is not there
		}
		failure := failureOf(t, err)
		require.Equal(t, c.temporary, failure.Temporary, "%d %s: %v", c.status, c.code, err)
		require.Equal(t, 7*time.Second, failure.After, "%d %s", c.status, c.code)
		if c.code != "" {
			require.Equal(t, c.code, failure.Code)
		}
		for _, meaning := range []error{upload.ErrExists, upload.ErrChanged, upload.ErrNotFound, upload.ErrRetained, upload.ErrUnconditional} {
			require.Equal(t, meaning == c.want, errors.Is(err, meaning), "%d %s %v: %v", c.status, c.code, meaning, err) //nolint:errorlint // the very one
		}
	}
}

func TestWrongCredentials(t *testing.T) {
	o, _ := bucket(t, nil)
	for name, c := range map[string]struct{ key, secret, code string }{
		"secret": {s3gateway.AccessKey, "not-the-secret", "SignatureDoesNotMatch"},
		"key":    {"AKIANOBODY", s3gateway.SecretKey, "XAdminUserNotFound"}, // versitygw's word for InvalidAccessKeyId
		"none":   {"", "", "NoCredentials"},
	} {
		t.Run(name, func(t *testing.T) {
			setEnv(t, c.key, c.secret)
			store, err := Open(t.Context(), o)
			require.NoError(t, err)
			defer func() { require.NoError(t, store.Close()) }()
			_, putErr := store.Put(t.Context(), "a", storetest.Body([]byte("x")), upload.Condition{})
			_, _, getErr := store.Get(t.Context(), "a", 0, -1)
			deleteErr := store.Delete(t.Context(), "a")
			for _, err := range []error{putErr, getErr, deleteErr} {
				failure := failureOf(t, err)
				require.False(t, failure.Temporary, "%v", err)
				require.Equal(t, c.code, failure.Code, "%v", err)
				require.NotErrorIs(t, err, upload.ErrRetained)
				require.NotErrorIs(t, err, upload.ErrNotFound)
				require.NotContains(t, err.Error(), s3gateway.SecretKey)
				require.NotContains(t, err.Error(), "not-the-secret")
				require.NotContains(t, err.Error(), "AKIANOBODY")
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	o, _ := bucket(t, nil)
	o.Endpoint = "http://127.0.0.1:1"
	_, err := open(t, o).Put(t.Context(), "a", storetest.Body(nil), upload.Condition{})
	require.Equal(t, "ConnectionRefused", failureOf(t, err).Code)
	require.True(t, failureOf(t, err).Temporary)
	o.Endpoint = "http://no-such-host.invalid"
	_, _, err = open(t, o).Get(t.Context(), "a", 0, -1)
	require.True(t, failureOf(t, err).Temporary, "%v", err)
	o.Endpoint = "https" + gateway.Endpoint()[len("http"):]
	require.False(t, failureOf(t, open(t, o).Delete(t.Context(), "a")).Temporary)
}

func TestConditionalThroughDecorators(t *testing.T) {
	store, _, _ := behindFaults(t)
	require.NoError(t, upload.Conditional(t.Context(), store, "probe"))
}

func TestObservedRequests(t *testing.T) {
	o, _ := bucket(t, nil)
	kinds := map[string]int{}
	done := make(chan Request, 100)
	o.Observe = func(r Request) { done <- r }
	store := open(t, o)
	_, err := store.Put(t.Context(), "a", storetest.Stream(storetest.Random(20<<20)), upload.Condition{Absent: true})
	require.NoError(t, err)
	close(done)
	for r := range done {
		kinds[r.Kind+" "+r.Code]++
		require.Positive(t, r.Duration)
	}
	require.Equal(t, map[string]int{"HeadObject NotFound": 1, "CreateMultipartUpload OK": 1, "UploadPart OK": 3, "CompleteMultipartUpload OK": 1}, kinds)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "x": 0, "99999999999": 0, "86400": time.Hour, "Sun, 22 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2020 12:00:30 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/100", int64(0), int64(10))
	f.Add("bytes 0-9/*", int64(0), int64(10))
	f.Add("bytes 9223372036854775807-9223372036854775806/9223372036854775807", int64(9223372036854775807), int64(0))
	f.Fuzz(func(t *testing.T, text string, from, length int64) {
		size, err := sizeOf(text, from, length)
		if err == nil && from >= 0 && length > 0 {
			require.GreaterOrEqual(t, size-from, length)
		}
	})
}

// ending is a context that has ended.
func ending(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestEndedContextSendsNothing(t *testing.T) {
	proxy := s3gateway.NewProxy(t, gateway.Addr())
	o, _ := bucket(t, proxy)
	store := open(t, o)
	_, err := store.Sweep(ending(t), "", time.Now())
	require.ErrorIs(t, err, context.Canceled)
	_, err = store.Put(ending(t), "a", storetest.Body(nil), upload.Condition{})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, proxy.Counts())
}
