package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

// Options are what a store is too slow for, or what only it can tell.
type Options struct {
	// Large is the size of the largest object; it should be one that the store splits.
	Large int64
	// Leftovers returns how many uploads that never ended, or files of such, the store still has. nil: not known.
	Leftovers func(t *testing.T, store upload.Store) int
	// Orphan leaves an upload behind that never ended, as a process does that is killed in a Put of key. nil: cannot be done.
	Orphan func(t *testing.T, store upload.Store, key string)
}

// Run tests what [upload.Store] promises. start returns an empty store; it is called once for each test.
func Run(t *testing.T, start func(t *testing.T) upload.Store, o Options) {
	t.Helper()
	tests := map[string]func(*suite){
		"ReadsWhatWasPut":            (*suite).readsWhatWasPut,
		"Replaces":                   (*suite).replaces,
		"GetRanges":                  (*suite).getRanges,
		"NotFound":                   (*suite).notFound,
		"Deletes":                    (*suite).deletes,
		"RefusesKeys":                (*suite).refusesKeys,
		"Absent":                     (*suite).absent,
		"ETag":                       (*suite).etag,
		"OneOfManyCreates":           (*suite).oneOfManyCreates,
		"OneOfManyReplaces":          (*suite).oneOfManyReplaces,
		"ReadersSeeWholeObjects":     (*suite).readersSeeWholeObjects,
		"ListOrder":                  (*suite).listOrder,
		"ListMany":                   (*suite).listMany,
		"ListNothing":                (*suite).listNothing,
		"ListStops":                  (*suite).listStops,
		"Large":                      (*suite).large,
		"LargeAbsent":                (*suite).largeAbsent,
		"BodyFails":                  (*suite).bodyFails,
		"BodyOfOtherSize":            (*suite).bodyOfOtherSize,
		"CancelledPutLeavesNothing":  (*suite).cancelledPut,
		"CancelledGetFails":          (*suite).cancelledGet,
		"Sweep":                      (*suite).sweep,
		"Conditional":                (*suite).conditional,
		"StringHasNoSecrets":         (*suite).stringIsURL,
		"ManyPutsAtOnce":             (*suite).manyPutsAtOnce,
		"KeysThatAreNotOursAreNotIt": (*suite).prefixIsNoPath,
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			run(&suite{Assertions: require.New(t), t: t, ctx: t.Context(), store: start(t), o: o})
		})
	}
}

// suite is one test: an empty store, and shorthands that fail the test.
type suite struct {
	*require.Assertions

	t     *testing.T
	ctx   context.Context //nolint:containedctx // of the one test
	store upload.Store
	o     Options
}

// Body is a body of data.
func Body(data []byte) upload.Body {
	return upload.Body{Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// Stream is the body of data with a size that is not known.
func Stream(data []byte) upload.Body {
	body := Body(data)
	body.Size = -1
	return body
}

// Random returns n bytes that do not compress, the same for the same n.
func Random(n int64) []byte {
	data := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = source.Read(data) // never fails
	return data
}

func (s *suite) put(key, data string) upload.Object {
	s.t.Helper()
	object, err := s.store.Put(s.ctx, key, Body([]byte(data)), upload.Condition{})
	s.NoError(err)
	return object
}

func (s *suite) get(key string) string {
	s.t.Helper()
	data, _, err := s.read(key, 0, -1)
	s.NoError(err)
	return string(data)
}

func (s *suite) read(key string, from, n int64) (data []byte, object upload.Object, err error) {
	r, object, err := s.store.Get(s.ctx, key, from, n)
	if err != nil {
		return nil, object, err
	}
	data, err = io.ReadAll(r)
	return data, object, errors.Join(err, r.Close())
}

func (s *suite) keys(prefix, after string) []string {
	s.t.Helper()
	keys := []string{}
	for object, err := range s.store.List(s.ctx, prefix, after) {
		s.NoError(err)
		keys = append(keys, object.Key)
	}
	return keys
}

// fails checks that err is a final *StoreError of kind.
func (s *suite) fails(err, kind error) {
	s.t.Helper()
	s.ErrorIs(err, kind)
	var failure *upload.StoreError
	s.ErrorAs(err, &failure)
	s.False(failure.Temporary, "%v", err)
	s.NotEmpty(failure.Op)
	s.NotEmpty(failure.Key)
}

// nothingLeft checks that a Put that failed left no trace.
func (s *suite) nothingLeft() {
	s.t.Helper()
	s.Empty(s.keys("", ""))
	if s.o.Leftovers != nil {
		s.Zero(s.o.Leftovers(s.t, s.store))
	}
}

func name(i int) string { return fmt.Sprintf("dir/%05d", i) }

// nothingButAnUpload checks that Puts that were cancelled, so many so far, left no trace, or uploads that Sweep finds: a part that was on its way may outlive the
// end of its upload ("AbortMultipartUpload"), and arrive when that was looked for already.
func (s *suite) nothingButAnUpload(puts int) {
	s.t.Helper()
	s.Empty(s.keys("", ""))
	if s.o.Leftovers == nil {
		return
	}
	for range puts {
		n := s.o.Leftovers(s.t, s.store)
		if n == 0 {
			return
		}
		s.LessOrEqual(n, puts)
		swept, err := s.store.Sweep(s.ctx, "", time.Now().Add(time.Hour))
		s.NoError(err)
		s.GreaterOrEqual(swept, n)
	}
	s.Zero(s.o.Leftovers(s.t, s.store))
}
