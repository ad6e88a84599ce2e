package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// flowObjects are objects of lengths around those of blocks, and more of them than the pool has blocks.
func flowObjects() [][]byte {
	var all [][]byte
	for i, size := range []int{0, 1, flowBlock - 1, flowBlock, flowBlock + 1, 0, 5 * flowBlock, 2 * flowBlocks * flowBlock} {
		all = append(all, bytes.Repeat([]byte{byte(i + 1)}, size))
	}
	return all
}

func TestFlowGivesEachTakerAllObjects(t *testing.T) {
	objects := flowObjects()
	g, ctx := errgroup.WithContext(t.Context())
	f := newFlow(ctx, 3)
	g.Go(func() error {
		for _, o := range objects {
			if err := f.pass(bytes.NewReader(o)); err != nil {
				return err
			}
		}
		return nil
	})
	var read, written [][]byte
	g.Go(func() error {
		for range objects {
			r := f.takers[0].object()
			p, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				return errors.New("an object's end is not its end")
			}
			read = append(read, p)
		}
		return nil
	})
	g.Go(func() error {
		for range objects {
			var b bytes.Buffer
			if n, err := f.takers[1].writeTo(&b); err != nil || n != int64(b.Len()) {
				return errors.Join(err, errors.New("not all was written"))
			}
			written = append(written, b.Bytes())
		}
		return nil
	})
	g.Go(func() error {
		for _, o := range objects {
			sum := NewSum()
			_, _ = sum.Write(o)
			if err := f.takers[2].sum("x", sum.String()); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, g.Wait())
	for i := range objects {
		require.True(t, bytes.Equal(objects[i], read[i]), i)
		require.True(t, bytes.Equal(objects[i], written[i]), i)
	}
	require.LessOrEqual(t, f.made, flowBlocks)
}

// TestFlowEndsWithItsContext: whoever waits is let go when another one fails.
func TestFlowEndsWithItsContext(t *testing.T) {
	broken := errors.New("broken")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := newFlow(ctx, 2)
	passed := make(chan error)
	go func() { passed <- f.pass(bytes.NewReader(make([]byte, 2*flowBlocks*flowBlock))) }()
	_, err := io.CopyN(io.Discard, f.takers[0].object(), flowBlocks*flowBlock)
	require.NoError(t, err, "the other taker takes nothing")
	cancel(broken)
	require.ErrorIs(t, <-passed, broken)
	r := f.takers[0].object()
	require.ErrorIs(t, errorOfRead(r), broken)
}

func errorOfRead(r io.Reader) error {
	_, err := io.ReadAll(r)
	return err
}

func TestFlowFindsAWrongSum(t *testing.T) {
	f := newFlow(t.Context(), 1)
	require.NoError(t, f.pass(bytes.NewReader([]byte("abc"))))
	var damaged *DamagedError
	require.ErrorAs(t, f.takers[0].sum("key", "0123456789abcdef"), &damaged)
	require.Equal(t, "key", damaged.Key)
}
