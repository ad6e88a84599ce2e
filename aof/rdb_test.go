package aof

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// snapshot says what a small RDB file holds.
type snapshot struct {
	magic string // default Redis 7.2's
	keys  int    // in db 0
	pos   *stream.Position
	db    int    // of the stream
	extra string // before the end
	tail  string // behind the CRC64
}

// bytes returns the file.
func (s snapshot) bytes() []byte {
	if s.magic == "" {
		s.magic = "REDIS0011"
	}
	out := []byte(s.magic)
	if s.pos != nil {
		out = appendAux(out, "repl-stream-db", strconv.Itoa(s.db))
		out = appendAux(out, "repl-id", s.pos.ReplID.String())
		out = appendAux(out, "repl-offset", strconv.FormatInt(int64(s.pos.Offset), 10))
	}
	out = append(out, 0xfe, 0)
	for i := range s.keys {
		out = append(out, 0)
		out = appendShort(out, fmt.Sprintf("base:%d", i))
		out = appendShort(out, "v")
	}
	out = append(out, s.extra...)
	out = append(out, 0xff)
	crc := ^crc64.Update(^uint64(0), crc64.MakeTable(0x95ac9329ac4bc9b5), out)
	return append(binary.LittleEndian.AppendUint64(out, crc), s.tail...)
}

func appendAux(out []byte, name, value string) []byte {
	return appendShort(appendShort(append(out, 0xfa), name), value)
}

// appendShort appends a string of less than 64 bytes.
func appendShort(out []byte, s string) []byte { return append(append(out, byte(len(s))), s...) }

// testRDB returns a small RDB of Redis 7.2 with so many string keys in db 0.
func testRDB(keys int) []byte { return snapshot{keys: keys}.bytes() }

// rdbOf is the same as a reader.
func rdbOf(keys int) io.Reader { return bytes.NewReader(testRDB(keys)) }

func TestSnapshotOfTestsIsSound(t *testing.T) {
	pos := stream.Position{ReplID: replID(t, "a1"), Offset: 77}
	sum, err := rdb.Check(bytes.NewReader(snapshot{keys: 3, pos: &pos, db: 5}.bytes()))
	require.NoError(t, err)
	require.True(t, sum.Checksummed)
	require.Equal(t, int64(3), sum.Keys)
	require.Equal(t, pos.ReplID.String(), sum.ReplID)
	require.Equal(t, int64(77), sum.ReplOffset)
	require.Equal(t, 5, sum.StreamDB)
}
