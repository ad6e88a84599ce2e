package testenv_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestFamiliesAreNamedAfterTheirServers(t *testing.T) {
	families := testenv.Servers(t)
	require.Len(t, families, 5)
	for _, family := range families {
		series := string(family.Dialect) + "-" + itoa(family.Version.Major) + "." + itoa(family.Version.Minor)
		if family.Name == "valkey-9.1" {
			require.False(t, family.Version.Before(testenv.Version{Major: 9, Minor: 1}), "sid may have a newer one")
			continue
		}
		require.Equal(t, family.Name, series)
	}
}

// What COMMAND INFO says of each server is the truth that the table of features is held to.
func TestFeaturesMatchTheServers(t *testing.T) {
	commands := map[testenv.Feature]string{
		testenv.FieldTTL:   "hpexpiretime",
		testenv.HashSetEx:  "hsetex",
		testenv.HashGetDel: "hgetdel",
		testenv.WaitAOF:    "waitaof",
		testenv.MultiSetEx: "msetex",
		testenv.DelIfEq:    "delifeq",
		testenv.VectorSets: "vadd",
	}
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			client := testenv.StartServer(t, family).Client()
			for feature, command := range commands {
				reply, err := client.Do(t.Context(), "command", "info", command).Slice()
				require.NoError(t, err)
				require.Equal(t, reply[0] != nil, family.Has(feature), command)
			}
			err := client.Do(t.Context(), "set", "k", "v", "ifeq", "w").Err()
			if family.Has(testenv.SetIfEq) {
				require.ErrorContains(t, err, "nil", "the comparison fails, the syntax does not")
			} else {
				require.ErrorContains(t, err, "syntax")
			}
			err = client.Do(t.Context(), "geosearchstore", "d", "k", "bypolygon", 3, 0, 0, 5, 1, 1, 5).Err()
			if family.Has(testenv.GeoPolygon) {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "syntax")
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]testenv.Version{
		"8": {Major: 8}, "8.1": {Major: 8, Minor: 1}, "8.1.22": {Major: 8, Minor: 1, Patch: 22},
	} {
		got, err := testenv.ParseVersion(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "8.", "x", "8.-1"} {
		_, err := testenv.ParseVersion(text)
		require.Error(t, err, text)
	}
	require.True(t, testenv.Version{Major: 7}.Before(testenv.Version{Major: 7, Minor: 0, Patch: 1}))
	require.False(t, testenv.Version{Major: 8}.Before(testenv.Version{Major: 7, Minor: 9}))
}

func TestMissingServersSayWhatToRun(t *testing.T) {
	t.Setenv("AOFSIDECAR_SERVERS_DIR", t.TempDir())
	_, err := testenv.Families()
	require.ErrorContains(t, err, "redis-7.0")
	require.ErrorContains(t, err, "scripts/servers.sh")
}
