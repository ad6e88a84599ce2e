package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Conditional finds out whether store honours conditions, on scratchKey, which it overwrites and removes: ErrUnconditional if one that does not hold is
// ignored or refused as unknown. A store that accepts conditions and is not atomic about them cannot be found out.
func Conditional(ctx context.Context, store Store, scratchKey string) (err error) {
	if err := store.Delete(ctx, scratchKey); err != nil && !errors.Is(err, ErrRetained) {
		return fmt.Errorf("probe conditional writes: %w", err)
	}
	defer func() {
		// A bucket that lets nothing go keeps the scratch object, which does no harm.
		if removed := store.Delete(ctx, scratchKey); removed != nil && !errors.Is(removed, ErrRetained) {
			err = errors.Join(err, fmt.Errorf("probe conditional writes: %w", removed))
		}
	}()
	first, err := store.Put(ctx, scratchKey, textBody("first"), Condition{Absent: true})
	if errors.Is(err, ErrExists) { // retained from an earlier probe
		first, err = store.Put(ctx, scratchKey, textBody("first"), Condition{})
	}
	if err != nil {
		return fmt.Errorf("probe conditional writes: %w", err)
	}
	refusals := []struct {
		what string
		cond Condition
		want error
	}{
		{"If-None-Match: * on an object that is there", Condition{Absent: true}, ErrExists},
		{"If-Match with another ETag", Condition{ETag: otherETag(first.ETag)}, ErrChanged},
	}
	for _, r := range refusals {
		if err := refuses(ctx, store, scratchKey, r.cond, r.want); err != nil {
			return fmt.Errorf("probe %s: %w", r.what, err)
		}
	}
	if _, err := store.Put(ctx, scratchKey, textBody("second"), Condition{ETag: first.ETag}); err != nil {
		return fmt.Errorf("probe If-Match with the ETag of the object: %w", err)
	}
	return nil
}

func refuses(ctx context.Context, store Store, key string, cond Condition, want error) error {
	_, err := store.Put(ctx, key, textBody("must not be stored"), cond)
	switch {
	case errors.Is(err, want):
		return nil
	case err == nil:
		return &StoreError{Op: "put", Key: key, Err: ErrUnconditional}
	}
	return err
}

// otherETag looks like etag and is not: its first digit is another one.
func otherETag(etag string) string {
	other := []byte(etag)
	for i, c := range other {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
			other[i] = '0' + (c+1)%10
			break
		}
	}
	return string(other)
}

func textBody(text string) Body {
	return Body{Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(text))), nil }}
}
