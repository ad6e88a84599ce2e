package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func TestRunLen(t *testing.T) {
	require.Equal(t, int64(0), (&stream.Run{}).Len())
	require.Equal(t, int64(17), (&stream.Run{Dropped: 14, Data: []byte("abc")}).Len())
}
