package keyspace

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestGeoPolygon(t *testing.T) {
	t.Parallel()
	const here = " BYPOLYGON 4 12 37 16 37 16 39 12 39.5"
	for name, commands := range map[string][]string{
		"shapes": {
			sicily, "GEOSEARCHSTORE a Sicily BYPOLYGON 3 12 37 18 37.1 14 39", "GEOSEARCHSTORE b Sicily bypolygon 4 12 37 18 37 18 39 12 39.5",
			"GEOSEARCHSTORE concave Sicily BYPOLYGON 5 12 36 18 36.1 18 39 14 37 12 39", "GEOSEARCHSTORE crossed Sicily BYPOLYGON 4 12 36 18 39 18 36.2 12 39",
			"GEOSEARCHSTORE closed Sicily BYPOLYGON 5 12 37 16 37 16 39 12 39.5 12 37", "GEOSEARCHSTORE backwards Sicily BYPOLYGON 4 12 39.5 16 39 16 37 12 37",
			"GEOSEARCHSTORE line Sicily BYPOLYGON 3 12 37 16 39 14 38", "GEOSEARCHSTORE point Sicily BYPOLYGON 3 13.3 38.1 13.3 38.1 13.3 38.1",
			"GEOSEARCHSTORE tiny Sicily BYPOLYGON 3 13.36138 38.11555 13.3614 38.11555 13.36139 38.11557",
		},
		"count": {
			sicily, "GEOSEARCHSTORE a Sicily COUNT 1" + here, "GEOSEARCHSTORE b Sicily" + here + " COUNT 2 DESC", "GEOSEARCHSTORE c Sicily DESC" + here + " COUNT 1 ANY",
			"GEOSEARCHSTORE d Sicily ANY" + here + " COUNT 2 ASC", "GEOSEARCHSTORE e Sicily" + here + " COUNT 100", "GEOSEARCHSTORE f Sicily ASC" + here,
		},
		"wrong": {
			sicily, "GEOSEARCHSTORE d Sicily BYPOLYGON 2 12 37 16 39 ASC ASC", "GEOSEARCHSTORE d Sicily BYPOLYGON 3 12 37 16 39 ASC ASC",
			"GEOSEARCHSTORE d Sicily BYPOLYGON 4 12 37 16 39 12 39 ASC", "GEOSEARCHSTORE d Sicily BYPOLYGON -3 12 37 16 39 12 39", "GEOSEARCHSTORE d Sicily BYPOLYGON x 12 37 16 39 12 39",
			"GEOSEARCHSTORE d Sicily BYPOLYGON 4294967299 12 37 16 39 12 39", "GEOSEARCHSTORE d Sicily BYPOLYGON 9223372036854775807 12 37 16 39 12 39",
			"GEOSEARCHSTORE d Sicily BYPOLYGON 3 12 37 16 39 12 90", "GEOSEARCHSTORE d Sicily BYPOLYGON 3 12 37 16 39 181 38", "GEOSEARCHSTORE d Sicily BYPOLYGON 3 12 37 16 39 nan 38",
			"GEOSEARCHSTORE d Sicily ASC ASC ASC ASC BYPOLYGON", "GEOSEARCHSTORE d Sicily ASC ASC ASC ASC BYPOLYGON 3", "GEOSEARCHSTORE d Sicily BYPOLYGON 3 12 37 16 39 12 39 12",
			"GEOSEARCHSTORE d Sicily" + here + " ANY", "GEOSEARCHSTORE d Sicily" + here + " WITHDIST", "GEOSEARCHSTORE d Sicily" + here + " COUNT 0",
		},
		"beside others": {
			sicily, "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo" + here, "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37" + here, "GEOSEARCHSTORE a Sicily" + here + " FROMMEMBER Palermo",
			"GEOSEARCHSTORE a Sicily" + here + " FROMLONLAT 15 37", "GEOSEARCHSTORE a Sicily BYRADIUS 1 km" + here, "GEOSEARCHSTORE a Sicily BYBOX 1 1 km" + here,
			"GEOSEARCHSTORE a Sicily" + here + " BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily" + here + " BYBOX 1 1 km", "GEOSEARCHSTORE b Sicily BYPOLYGON 3 1 1 2 2 1 2" + here,
		},
		"wrong type":    {"HSET h f v", sicily, "GEOSEARCHSTORE a h" + here, "GEOSEARCHSTORE h Sicily" + here},
		"nothing found": {sicily, "HSET d f v", "GEOSEARCHSTORE d Sicily BYPOLYGON 3 1 1 2 2 1 2"},
		"no source":     {"HSET d f v", "GEOSEARCHSTORE d x" + here, "HSET d f v", "GEOSEARCHSTORE d x BYPOLYGON 3 1 1"},
		"itself":        {sicily, "PEXPIREAT Sicily 33177117420000", "GEOSEARCHSTORE Sicily Sicily" + here},
		"far": {
			"GEOADD k 179 85 n -179 -85 s -100 40 w 100 -40 e 179.9 1 f -179.9 1 g 0 0 o 1 84.9 p 178 10 q", "GEOSEARCHSTORE a k BYPOLYGON 3 -179 -9 179 -9.5 179 10",
			"GEOSEARCHSTORE b k BYPOLYGON 4 170 -10 -170 -10 -169 11 170 10", "GEOSEARCHSTORE c k BYPOLYGON 4 -180 -85 180 -85 180 84 -170 85",
			"GEOSEARCHSTORE d k BYPOLYGON 4 -10 80 31 80 30 85 -10 85", "GEOSEARCHSTORE e k BYPOLYGON 4 -160 60 150 61 155 -50 -150 -70 COUNT 3",
			"GEOSEARCHSTORE f k BYPOLYGON 3 170 85.05112878 180 85.05112878 177 80",
		},
		"scores of none": {"ZADD k -1 a 0 b 4503599627370496 c 4503599627370495 d 1e300 e inf f -inf g 0.5 h 1e19 i", "GEOSEARCHSTORE d k BYPOLYGON 3 -179 -84 -178 -85 -180 -85"},
	} {
		t.Run(name, func(t *testing.T) { checkOn(t, having(testenv.GeoPolygon), commands...) })
	}
}

// TestUnsteadyPolygons has those whose search hangs on the last bits of a sine. They are carried.
func TestUnsteadyPolygons(t *testing.T) {
	t.Parallel()
	for polygon, want := range map[string]bool{
		"3 0 0 1 1 0 1":                        true,
		"3 13.3 38.1 13.3 38.1 13.3 38.1":      true,
		"4 12 37 16 37 16 39 12 39.5":          true,
		"4 -5 40 5 40 5 50 -5 50":              false, // around Greenwich
		"4 10 -5 21 -5 21 5 10 5":              false, // on the equator
		"4 170 10 -170 10 -170 20 170 20":      false, // around the 180th meridian
		"3 0 85 120 85 -120 85":                false, // the pole
		"4 10 84 11 85 -170 85 -169 84":        false,
		"3 0 0 120 0 -120 0":                   false, // around the earth: no middle
		"4 -90 -45 0 45 90 -45 180 45":         false,
		"4 12.0000001 1 30 1 30 2 12.000002 2": true,
	} {
		shape := geoShape{}
		args := toArgs(strings.Fields("BYPOLYGON " + polygon))
		require.Equal(t, len(args), shape.polygon(args), polygon)
		require.Equal(t, want, shape.steady(), polygon)
	}
}

func TestPolygonsAtRandom(t *testing.T) {
	t.Parallel()
	ran, all := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		number := func(low, high float64) string {
			if low = max(low, -180); rapid.IntRange(0, 9).Draw(rt, "round") == 0 {
				return fmt.Sprint(rapid.IntRange(int(low), int(high)).Draw(rt, "coordinate"))
			}
			return string(appendDouble(nil, rapid.Float64Range(low, high).Draw(rt, "coordinate")))
		}
		size := rapid.SampledFrom([]float64{0.0001, 0.01, 1, 20, 170, 400}).Draw(rt, "size")
		longitude := rapid.Float64Range(-180, 180).Draw(rt, "longitude")
		latitude := rapid.Float64Range(-85, 85).Draw(rt, "latitude")
		point := func() string {
			return number(max(longitude-size, -180), min(longitude+size, 180)) + " " + number(max(latitude-size/2, -85.05), min(latitude+size/2, 85.05))
		}
		var add strings.Builder
		add.WriteString("GEOADD k")
		for i := range rapid.IntRange(1, 200).Draw(rt, "members") {
			fmt.Fprintf(&add, " %s m%d", point(), i)
		}
		commands := [][]string{strings.Fields(add.String())}
		for i := range 30 {
			n := rapid.IntRange(3, 9).Draw(rt, "vertices")
			command := fmt.Sprintf("GEOSEARCHSTORE d%d k BYPOLYGON %d", i, n)
			for range n {
				command += " " + point()
			}
			for range rapid.IntRange(0, 2).Draw(rt, "options") {
				command += " " + rapid.SampledFrom([]string{"ASC", "DESC", "COUNT 3", "COUNT 1 ANY", "COUNT 5 ANY"}).Draw(rt, "option")
			}
			words := strings.Fields(command)
			var p Plan
			sharedTable().Plan(toArgs(words), &p)
			if all++; p.Effect == Run {
				ran++
				commands = append(commands, words)
			}
		}
		checkArgs(rt, having(testenv.GeoPolygon), commands)
	})
	t.Logf("%d of %d are run", ran, all)
}
