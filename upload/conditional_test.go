package upload_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

// careless is a store that ignores one of the conditions, or keeps what it has.
type careless struct {
	*scripted

	ignoreAbsent, ignoreETag, retain bool
}

func (c *careless) Put(ctx context.Context, key string, b upload.Body, cond upload.Condition) (upload.Object, error) {
	cond.Absent = cond.Absent && !c.ignoreAbsent
	if c.ignoreETag {
		cond.ETag = ""
	}
	return c.scripted.Put(ctx, key, b, cond)
}

func (c *careless) Delete(ctx context.Context, key string) error {
	if c.retain {
		return &upload.StoreError{Op: "delete", Key: key, Err: upload.ErrRetained}
	}
	return c.scripted.Delete(ctx, key)
}

func TestConditionalFindsOutWhoIgnoresConditions(t *testing.T) {
	for name, c := range map[string]struct {
		store careless
		want  error
	}{
		"honours":             {careless{}, nil},
		"ignores both":        {careless{ignoreAbsent: true, ignoreETag: true}, upload.ErrUnconditional},
		"ignores absence":     {careless{ignoreAbsent: true}, upload.ErrUnconditional},
		"ignores etags":       {careless{ignoreETag: true}, upload.ErrUnconditional},
		"honours and retains": {careless{retain: true}, nil},
		"ignores and retains": {careless{retain: true, ignoreETag: true}, upload.ErrUnconditional},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.scripted = newScripted()
			for range 2 { // the second time finds what a store that retains has kept
				require.ErrorIs(t, upload.Conditional(t.Context(), &c.store, "probe"), c.want)
			}
			if !c.store.retain {
				require.Empty(t, c.store.objects)
			}
		})
	}
}

func TestConditionalPassesErrors(t *testing.T) {
	for _, op := range []string{"put", "delete"} {
		store := newScripted()
		denied := final("AccessDenied")
		store.script[op] = []func(context.Context) error{fails(denied)}
		err := upload.Conditional(t.Context(), store, "probe")
		require.ErrorIs(t, err, denied)
		require.NotErrorIs(t, err, upload.ErrUnconditional)
	}
}
