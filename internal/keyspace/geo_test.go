package keyspace

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// TestGeoDistance compares with the distances of the servers' C library, which STOREDIST stores. That they are not all the same is why
// STOREDIST is carried; that they are so near is why the other searches are run. Only on the other side of the earth, where the
// formula itself is bad, are they further apart.
func TestGeoDistance(t *testing.T) {
	t.Parallel()
	const places = 20000
	random := rand.New(rand.NewPCG(3, 4))
	around := func(center geoPoint, degrees float64) geoPoint {
		return geoPoint{longitude: center.longitude + (random.Float64()-0.5)*degrees, latitude: center.latitude + (random.Float64()-0.5)*degrees}
	}
	for name, c := range map[string]struct{ degrees, nanometers float64 }{
		"a city":      {0.5, 0.1},
		"a country":   {10, 1},
		"a continent": {70, 10},
	} {
		for _, o := range oracles(t) {
			center := around(geoPoint{}, 90)
			different, worst, slack := 0, 0.0, 0.0
			if o.format.Dialect == rdb.Valkey {
				slack = slackOf9
			}
			for member, want := range o.distances(t, places, center, func() geoPoint { return around(center, c.degrees) }) {
				score, err := strconv.ParseFloat(member, 64)
				require.NoError(t, err)
				got := geoDistance(center, scoreHash(score).center(), slack)
				if math.Float64bits(got) != math.Float64bits(want) {
					different++
				}
				worst = max(worst, math.Abs(got-want))
			}
			t.Logf("%s, %s: %.1f %% of the distances differ, by at most %.2g nm", o.family, name, 100*float64(different)/places, worst*1e9)
			require.Less(t, worst, c.nanometers*1e-9)
		}
	}
}

// distances asks a server how far places are from the center. It names each place by its score.
func (o *oracle) distances(t *testing.T, n int, center geoPoint, place func() geoPoint) map[string]float64 {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	var found *redis.ZSliceCmd
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		pipe.FlushAll(ctx)
		for range n {
			score := place().hash(geoSteps).score()
			pipe.Do(ctx, "ZADD", "k", score, strconv.FormatFloat(score, 'f', -1, 64))
		}
		pipe.Do(ctx, "GEOSEARCHSTORE", "d", "k", "FROMLONLAT", center.longitude, center.latitude, "BYRADIUS", 30000000, "m", "STOREDIST")
		found = pipe.ZRangeWithScores(ctx, "d", 0, -1)
	})
	require.Len(t, found.Val(), n)
	distances := map[string]float64{}
	for _, z := range found.Val() {
		distances[fmt.Sprint(z.Member)] = z.Score
	}
	return distances
}

func TestGeohashRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := geoPoint{
			longitude: rapid.Float64Range(-179.999, 179.999).Draw(t, "longitude"),
			latitude:  rapid.Float64Range(-85.051, 85.051).Draw(t, "latitude"),
		}
		steps := uint(rapid.IntRange(1, geoSteps).Draw(t, "steps"))
		cell := p.hash(steps)
		area := cell.area()
		const slack = 1e-9
		require.LessOrEqual(t, area.min.longitude, p.longitude+slack)
		require.LessOrEqual(t, area.min.latitude, p.latitude+slack)
		require.GreaterOrEqual(t, area.max.longitude, p.longitude-slack)
		require.GreaterOrEqual(t, area.max.latitude, p.latitude-slack)
		require.Equal(t, cell, cell.center().hash(steps))
		for _, east := range []int{-1, 0, 1} {
			for _, north := range []int{-1, 0, 1} {
				require.Equal(t, cell, cell.move(east, north).move(-east, -north))
			}
		}
		if steps == geoSteps {
			require.Equal(t, cell, scoreHash(cell.score()))
		}
	})
}

// TestNearest: whatever the distances are, the n in front are the nearest, or the farthest.
func TestNearest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		meters := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 200).Draw(t, "meters")
		hits := make([]geoHit, len(meters))
		for i, m := range meters {
			hits[i].meters = float64(m)
		}
		n := rapid.IntRange(1, len(hits)).Draw(t, "n")
		farthest := rapid.Bool().Draw(t, "farthest")
		nearest(hits, n, farthest)
		for i := 1; i < len(hits); i++ {
			before := hits[min(i, n)-1].meters
			require.False(t, farthest && before < hits[i].meters || !farthest && before > hits[i].meters, "%v", hits)
		}
	})
}
