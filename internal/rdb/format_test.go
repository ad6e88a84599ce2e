package rdb_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestFormatOf(t *testing.T) {
	valkey := rdb.Format{Dialect: rdb.Valkey, Version: 80}
	for server, want := range map[[2]string]rdb.Format{
		{"redis", "7.0.15"}: {Version: 10}, {"redis", "7.2.4"}: {Version: 11}, {"redis", "7.4.1"}: {Version: 12}, {"redis", "8.0.2"}: {Version: 12},
		{"redis", "8.6.0"}: {Version: 12}, {"valkey", "7.2.5"}: {Version: 11}, {"valkey", "8.1.1"}: {Version: 11}, {"valkey", "9.0.0"}: valkey, {"valkey", "10.2.3"}: valkey,
	} {
		got, known := rdb.FormatOf(server[0], server[1])
		require.True(t, known, server)
		require.Equal(t, want, got, server)
	}
	for _, server := range [][2]string{{}, {"redis", ""}, {"redis", "6.2.14"}, {"redis", "8"}, {"redis", "x.y.z"}, {"keydb", "7.0.0"}, {"valkey", "-1.0.0"}} {
		_, known := rdb.FormatOf(server[0], server[1])
		require.False(t, known, server)
	}
}

// The servers that we have write what FormatOf says.
func TestFormatOfGoldenFiles(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		file, err := os.Open("testdata/" + family.Name + "-save.rdb")
		require.NoError(t, err)
		r, err := rdb.NewReader(file)
		require.NoError(t, err)
		want, known := rdb.FormatOf(string(family.Dialect), family.Version.String())
		require.True(t, known)
		require.Equal(t, want, rdb.Format{Dialect: r.Dialect(), Version: r.Version()}, "%s", family)
		require.NoError(t, file.Close())
	}
}

func TestFormatExtends(t *testing.T) {
	redis := func(n int) rdb.Format { return rdb.Format{Version: n} }
	valkey := rdb.Format{Dialect: rdb.Valkey, Version: 80}
	for _, c := range []struct {
		f, g rdb.Format
		want bool
	}{
		{redis(12), redis(11), true},
		{redis(11), redis(11), true},
		{redis(11), redis(12), false},
		{valkey, redis(11), true},
		{valkey, redis(12), false},
		{redis(12), valkey, false},
		{valkey, valkey, true},
		{rdb.Format{}, redis(9), false},
		{rdb.Format{}, valkey, false},
	} {
		require.Equal(t, c.want, c.f.Extends(c.g), "%+v", c)
	}
	require.True(t, valkey.HasFieldExpiry())
	require.True(t, redis(12).HasFieldExpiry())
	require.False(t, redis(11).HasFieldExpiry())
}
