package rdb_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// update makes the golden files anew with real servers: see golden_update_test.go.
var update = flag.Bool("update", false, "write testdata anew with real servers")

// families are the servers that golden files come from, and what their files are.
var families = map[string]struct {
	dialect rdb.Dialect
	version int
}{
	"redis-7.0":  {rdb.Redis, 10},
	"redis-8.0":  {rdb.Redis, 12},
	"valkey-8.0": {rdb.Redis, 11},
	"valkey-8.1": {rdb.Redis, 11},
	"valkey-9.1": {rdb.Valkey, 80},
}

// TestGolden reads what real servers wrote: <family>.rdb is the snapshot that a replica gets, <family>-save.rdb a SAVE without
// compression, <family>-cluster.rdb a SAVE of a cluster node. The .txt beside each lists its items; when it is written, keys and
// expiry times are compared with what the server itself says.
func TestGolden(t *testing.T) {
	for family, want := range families {
		t.Run(family, func(t *testing.T) {
			if *update {
				updateGolden(t, family)
			}
			for _, suffix := range []string{"", "-save", "-cluster"} {
				in := readGolden(t, family+suffix+".rdb")
				require.Equal(t, readGolden(t, family+suffix+".txt"), listing(t, in))
				got, err := check(in)
				require.NoError(t, err)
				require.Equal(t, want.dialect, got.Dialect)
				require.Equal(t, want.version, got.Version)
				require.Equal(t, int64(len(in)), got.Bytes)
				require.True(t, got.Checksummed)
				require.Nil(t, got.Unwalked)
				requireCopies(t, in)
				requireDamageShows(t, in)
			}
		})
	}
}

// TestGoldenHasEveryType: no type that these servers write is missing, and each file says where it stands.
func TestGoldenHasEveryType(t *testing.T) {
	types := map[rdb.Type]bool{}
	for family := range families {
		got, err := check(readGolden(t, family+".rdb"))
		require.NoError(t, err)
		require.True(t, got.HasRepl)
		require.Len(t, got.ReplID, 40)
		require.Positive(t, got.ReplOffset)
		require.Equal(t, 1, got.Functions)
		require.Equal(t, 15, got.MaxDB)
		require.Len(t, got.KeysByDB, 3)
		require.Positive(t, got.Expires)
		require.True(t, strings.HasPrefix(got.ServerVersion, family[strings.Index(family, "-")+1:]), got.ServerVersion)
		for code := range got.KeysByType {
			types[code] = true
		}
	}
	for _, code := range []rdb.Type{
		rdb.TypeString, rdb.TypeSet, rdb.TypeHash, rdb.TypeZSet2, rdb.TypeSetIntset, rdb.TypeHashListpack,
		rdb.TypeZSetListpack, rdb.TypeListQuicklist2, rdb.TypeStreamListpacks2, rdb.TypeSetListpack,
		rdb.TypeStreamListpacks3, rdb.TypeModule2, rdb.TypeHash2, rdb.TypeHashMetadata, rdb.TypeHashListpackEx,
	} {
		require.True(t, types[code], "no golden file has a %s", code)
	}
}

func readGolden(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return string(b)
}

// listing is one line per item.
func listing(t *testing.T, in string) string {
	t.Helper()
	var b strings.Builder
	kinds := map[rdb.ItemKind]string{
		rdb.KeyItem: "key", rdb.AuxItem: "aux", rdb.SelectItem: "select", rdb.ResizeItem: "resize", rdb.SlotInfoItem: "slot-info",
		rdb.SlotImportItem: "slot-import", rdb.FunctionItem: "function", rdb.ModuleAuxItem: "module-aux",
	}
	for _, it := range readItems(t, strings.NewReader(in), func(int) bool { return true }) {
		item := it.item
		fmt.Fprintf(&b, "%-6d %-8s db=%d head=%d value=%d", item.Offset, kinds[item.Kind], item.DB, item.HeadBytes, int64(len(it.raw))-item.HeadBytes)
		if item.Kind == rdb.KeyItem {
			fmt.Fprintf(&b, " %s", item.Type)
		}
		if item.Key != nil {
			fmt.Fprintf(&b, " %.60q", item.Key)
		}
		if item.Kind == rdb.AuxItem {
			fmt.Fprintf(&b, " %q", item.Value)
		}
		if item.HasExpire {
			fmt.Fprintf(&b, " expire=%d", item.Expire)
		}
		if item.HasIdle {
			fmt.Fprintf(&b, " idle=%d", item.Idle)
		}
		if item.HasFreq {
			fmt.Fprintf(&b, " freq=%d", item.Freq)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// requireDamageShows flips bytes and cuts, at places all over the file.
func requireDamageShows(t *testing.T, in string) {
	t.Helper()
	for i := 0; i < len(in); i += 1 + len(in)/150 {
		bad := []byte(in)
		bad[i] ^= 0x10
		_, err := check(string(bad))
		require.Error(t, err, "byte %d flipped", i)
		_, err = check(in[:i])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", i)
	}
}
