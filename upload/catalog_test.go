package upload

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"
)

// endless is a store whose listing has no end.
type endless struct{ Store }

func (endless) String() string { return "s3://endless" }

func (endless) List(_ context.Context, prefix, _ string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for i := 0; yield(Object{Key: fmt.Sprintf("%s%08d-aaaaaaaa/incr/%020d", prefix, i%3, i)}, nil); i++ {
			continue
		}
	}
}

// Who may write to the bucket can make a listing as long as he likes: it is read up to a bound, and the mirror beside it has its memory.
func TestCatalogIsBounded(t *testing.T) {
	_, err := ReadCatalog(t.Context(), endless{newMemStore()})
	var failure *StoreError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "TooManyObjects", failure.Code)
	require.False(t, failure.Temporary)
}
