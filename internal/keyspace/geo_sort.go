package keyspace

// nearest puts the n hits that a search with COUNT n keeps at the front: the nearest ones, or the farthest ones if farthest is set. Which of
// several at the same distance these are is up to the servers' own sort, which sortPart does the same way.
func nearest(hits []geoHit, n int, farthest bool) {
	sign := 1
	if farthest {
		sign = -1
	}
	sortPart(hits, func(a, b geoHit) int { return sign * compareDistances(a.meters, b.meters) }, 0, n)
}

// compareDistances is geo.c:sort_gp_asc, which takes a distance that is no number for less than any other.
func compareDistances(a, b float64) int {
	switch {
	case a > b:
		return 1
	case a == b:
		return 0
	default:
		return -1
	}
}
