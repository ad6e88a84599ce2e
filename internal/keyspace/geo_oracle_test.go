package keyspace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sicily are the places of the servers' documentation.
const sicily = "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2"

func TestGeoAdd(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"places":  {sicily},
		"edges":   {"GEOADD k -180 -85.05112878 a 180 85.05112878 b 0 0 c -180 85.05112878 d 179.99999999999997 85.0511287799 e"},
		"outside": {"GEOADD k 180.00001 0 a", "GEOADD k 0 85.05112879 a", "GEOADD k 0 -86 a", "GEOADD k 1 1 a 0 90 b", "GEOADD k inf 0 a", "GEOADD k nan 0 a"},
		"options": {"GEOADD k XX 1 1 a", "GEOADD k NX 1 1 a", "GEOADD k nx 2 2 a 3 3 b", "GEOADD k XX CH 2 2 a 3 3 c", "GEOADD k CH CH 4 4 a", "GEOADD k NX XX 1 1 d"},
		"wrong":   {"GEOADD k 1 1", "GEOADD k 1 1 a 2 2", "GEOADD k GT 1 1 a", "GEOADD k CH CH CH", "GEOADD k NX CH CH", "GEOADD k x 1 a", "HSET h f v", "GEOADD h 1 1 a"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestGeoSearchStore(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"radius":          {sicily, "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 200 km", "GEOSEARCHSTORE e Sicily FROMMEMBER Palermo BYRADIUS 166.3 km ASC", "GEOSEARCHSTORE f Sicily fromlonlat 15 37 byradius 0 m"},
		"box":             {sicily, "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3", "GEOSEARCHSTORE e Sicily FROMMEMBER Catania BYBOX 1 900 mi", "GEOSEARCHSTORE f Sicily FROMMEMBER Catania BYBOX 0 0 ft"},
		"units":           {sicily, "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 200000 M", "GEOSEARCHSTORE b Sicily FROMLONLAT 15 37 BYRADIUS 124 MI", "GEOSEARCHSTORE c Sicily FROMLONLAT 15 37 BYRADIUS 656168 Ft", "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 1 lightyear"},
		"count":           {sicily, "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 1", "GEOSEARCHSTORE b Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 1 DESC", "GEOSEARCHSTORE c Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 2 ANY", "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 3 ANY DESC", "GEOSEARCHSTORE e Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 1 COUNT 2", "GEOSEARCHSTORE f Sicily ASC DESC FROMLONLAT 15 37 BYRADIUS 900 km COUNT 9223372036854775807"},
		"wrong count":     {sicily, "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT 0", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT -1", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km ANY", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS 900 km COUNT x"},
		"wrong":           {sicily, "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYRADIUS -1 km", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 BYBOX 1 -1 km", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 97 BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo BYBOX 1 1 km BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily BYRADIUS 1 km COUNT 1 ASC", "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo COUNT 1 ASC ASC", "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo BYRADIUS 1 km WITHDIST", "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo BYRADIUS 1 km STORE b"},
		"wrong member":    {sicily, "GEOSEARCHSTORE a Sicily FROMMEMBER nobody BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily FROMMEMBER nobody FROMMEMBER Palermo BYRADIUS 1 km", "GEOSEARCHSTORE a Sicily FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 1 km"},
		"wrong type":      {"HSET h f v", sicily, "GEOSEARCHSTORE a h FROMLONLAT 15 37 BYRADIUS 900 km"},
		"nothing found":   {sicily, "HSET d f v", "GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 1 km"},
		"no source":       {"HSET d f v", "GEOSEARCHSTORE d x FROMMEMBER a BYRADIUS x km", "GEOSEARCHSTORE d x FROMMEMBER a BYRADIUS 1 km"},
		"itself":          {sicily, "PEXPIREAT Sicily 33177117420000", "GEOSEARCHSTORE Sicily Sicily FROMMEMBER Palermo BYRADIUS 200 km"},
		"the whole world": {sicily, "GEOADD Sicily 179 85 n -179 -85 s -100 40 w 100 -40 e", "GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 30000 km", "GEOSEARCHSTORE e Sicily FROMLONLAT 179.9 84 BYRADIUS 5000 km", "GEOSEARCHSTORE f Sicily FROMLONLAT -179.9 -84 BYBOX 40000 9000 km", "GEOSEARCHSTORE g Sicily FROMLONLAT 0 0 BYRADIUS inf m", "GEOSEARCHSTORE h Sicily FROMLONLAT 0 0 BYRADIUS 1e300 mi COUNT 2", "GEOSEARCHSTORE i Sicily FROMLONLAT 0 0 BYBOX inf inf m"},
		"scores of none":  {"ZADD k -1 a 0 b 4503599627370496 c 4503599627370495 d 1e300 e inf f -inf g 0.5 h 1e19 i -1e19 j 9223372036854775808 k", "GEOSEARCHSTORE d k FROMMEMBER a BYRADIUS 1000 km", "GEOSEARCHSTORE e k FROMMEMBER c BYRADIUS 1000 km", "GEOSEARCHSTORE f k FROMMEMBER e BYRADIUS 1000 km", "GEOSEARCHSTORE g k FROMMEMBER g BYRADIUS 1000 km", "GEOSEARCHSTORE h k FROMMEMBER i BYRADIUS 1000 km", "GEOSEARCHSTORE i k FROMMEMBER k BYRADIUS 1000 km", "GEOSEARCHSTORE j k FROMLONLAT -180 -85 BYRADIUS 1000 km", "GEOSEARCHSTORE l k FROMMEMBER j BYBOX 1 1 km"},
		"corners":         {"GEOADD k 180 85.05112878 ne -180 85.05112878 nw 180 -85.05112878 se -180 -85.05112878 sw 180 0 e 0 85.05112878 n", "GEOSEARCHSTORE a k FROMMEMBER ne BYRADIUS 1 m", "GEOSEARCHSTORE b k FROMMEMBER nw BYRADIUS 10 km", "GEOSEARCHSTORE c k FROMMEMBER se BYRADIUS 5000 km", "GEOSEARCHSTORE d k FROMMEMBER sw BYBOX 100 100 km", "GEOSEARCHSTORE e k FROMMEMBER e BYRADIUS 9000 km", "GEOSEARCHSTORE f k FROMMEMBER n BYRADIUS 200 m", "GEOSEARCHSTORE g k FROMLONLAT 180 85.05112878 BYRADIUS 1 km"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

func TestGeoRadiusStore(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string][]string{
		"coordinates": {sicily, "GEORADIUS Sicily 15 37 200 km STORE d", "GEORADIUS Sicily 15 37 200 km ASC COUNT 1 STORE e", "GEORADIUS Sicily 15 37 200 km STORE x STORE y", "GEORADIUS Sicily 15 37 200 km STOREDIST x STORE y"},
		"member":      {sicily, "GEORADIUSBYMEMBER Sicily Palermo 200 km STORE d", "GEORADIUSBYMEMBER Sicily Palermo 200 km COUNT 1 DESC store e", "GEORADIUSBYMEMBER Sicily nobody 200 km STORE d", "GEORADIUSBYMEMBER Sicily Palermo x km STORE d"},
		"wrong":       {sicily, "GEORADIUS Sicily 15 37 200 km STORE", "GEORADIUS Sicily 15 37 200 km STORE d BYBOX", "GEORADIUS Sicily 15 37 200 km STORE d COUNT 0", "GEORADIUS Sicily 15 97 200 km STORE d", "GEORADIUS Sicily 15 37 -1 km STORE d", "GEORADIUS Sicily 15 37 1 x STORE d", "GEORADIUS Sicily 15 37 1 m STORE d WITHDIST", "GEORADIUSBYMEMBER Sicily Palermo 1 m WITHHASH STORE d", "GEORADIUS Sicily 15 37 200 km STORE d FROMMEMBER Palermo"},
		"no source":   {"HSET d f v", "GEORADIUSBYMEMBER x a bad unit STORE d", "HSET d f v", "GEORADIUS x 0 0 bad km STORE d", "GEORADIUS x 0 0 1 km STORE d", "GEORADIUSBYMEMBER x a 1 km STORE d COUNT 0"},
		"wrong type":  {"HSET h f v", "GEORADIUS h 0 0 1 km STORE d", "GEORADIUSBYMEMBER h a 1 km STORE d"},
		"read":        {sicily, "GEORADIUS Sicily 15 37 200 km", "GEORADIUSBYMEMBER Sicily Palermo 200 km WITHDIST"},
	} {
		t.Run(name, func(t *testing.T) { check(t, commands...) })
	}
}

// Places on almost one meridian: Valkey 9 calls it one, the others do not.
func TestGeoAlmostOneMeridian(t *testing.T) {
	t.Parallel()
	commands := []string{sicily}
	place := geoPoint{13.361389, 38.115556}.hash(geoSteps).center()
	for i, longitude := range []float64{
		place.longitude, math.Nextafter(place.longitude, 0), math.Nextafter(place.longitude, 90), place.longitude + 5e-14, place.longitude - 1e-13,
		place.longitude + 1.1e-13, place.longitude + 1.3e-13, place.longitude + 1e-12,
	} {
		at := fmt.Sprintf(" Sicily FROMLONLAT %s %s ", appendDouble(nil, longitude), appendDouble(nil, place.latitude))
		commands = append(commands, fmt.Sprint("GEOSEARCHSTORE a", i, at, "BYRADIUS 0 m"), fmt.Sprint("GEOSEARCHSTORE b", i, at, "BYBOX 0 0 m"),
			fmt.Sprint("GEOSEARCHSTORE c", i, at, "BYRADIUS 0.000000001 m"))
	}
	check(t, commands...)
}

// TestGeoTies has many members at few places, so that COUNT chooses among equal distances.
func TestGeoTies(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{5, 7, 8, 30, 41, 100, 300, 1000} {
		var add strings.Builder
		add.WriteString("GEOADD k")
		for i := range n {
			fmt.Fprintf(&add, " %d.%d 4%d m%d", random.IntN(3), random.IntN(3), random.IntN(2), i)
		}
		commands := []string{add.String()}
		for i, order := range []string{"ASC", "DESC", "", "ANY"} {
			for j := range 4 {
				count := 1 + random.IntN(n)
				commands = append(commands,
					fmt.Sprintf("GEOSEARCHSTORE d%d%d k FROMLONLAT 1 40 BYRADIUS 500 km COUNT %d %s", i, j, count, order),
					fmt.Sprintf("GEOSEARCHSTORE e%d%d k FROMMEMBER m0 BYBOX 300 900 km COUNT %d %s", i, j, count, order))
			}
		}
		check(t, commands...)
	}
}

func TestGeoAtRandom(t *testing.T) {
	t.Parallel()
	number := func(low, high float64) *rapid.Generator[string] {
		return rapid.Map(rapid.Float64Range(low, high), func(f float64) string { return string(appendDouble(nil, f)) })
	}
	longitude := rapid.OneOf(number(-180, 180), number(10, 12), rapid.SampledFrom([]string{"0", "180", "-180", "11", "181"}))
	latitude := rapid.OneOf(number(-85.05112878, 85.05112878), number(50, 51), rapid.SampledFrom([]string{"0", "85.05112878", "-85", "50.5", "90"}))
	reach := rapid.OneOf(number(0, 30000), number(0, 100), rapid.SampledFrom([]string{"0", "1", "5000", "inf", "-1"}))
	unit := rapid.SampledFrom([]string{"m", "km", "ft", "mi"})
	count := rapid.Map(rapid.IntRange(1, 20), func(n int) string { return fmt.Sprint(n) })
	order := rapid.SampledFrom([]string{"ASC", "DESC", "ANY"})
	member := rapid.Map(rapid.IntRange(0, 60), func(n int) string { return fmt.Sprint("m", n) })
	key := rapid.SampledFrom([]string{"a", "b"})
	word := rapid.Just[string]
	add := genMany("GEOADD", []*rapid.Generator[string]{key}, []*rapid.Generator[string]{longitude, latitude, member})
	checkRandom(t, all, rapid.OneOf(add, add, add, add,
		genCommand("GEOSEARCHSTORE", rapid.Just("d"), key, word("FROMLONLAT"), longitude, latitude, word("BYRADIUS"), reach, unit),
		genCommand("GEOSEARCHSTORE", rapid.Just("e"), key, word("FROMLONLAT"), longitude, latitude, word("BYBOX"), reach, reach, unit),
		genCommand("GEOSEARCHSTORE", rapid.Just("f"), key, word("FROMLONLAT"), longitude, latitude, word("BYRADIUS"), reach, unit, word("COUNT"), count, order),
		genCommand("GEOSEARCHSTORE", rapid.Just("g"), key, word("FROMMEMBER"), member, word("BYBOX"), reach, reach, unit, word("COUNT"), count, order),
		genCommand("GEORADIUSBYMEMBER", key, member, reach, unit, word("COUNT"), count, word("STORE"), rapid.Just("h")),
		genCommand("GEORADIUS", key, longitude, latitude, reach, unit, word("STORE"), rapid.Just("i")),
	))
}
