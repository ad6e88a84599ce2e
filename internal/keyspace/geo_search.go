package keyspace

// cells returns the cells to search in their order: the center's and the eight around it, less those that the shape does not reach
// (geohash_helper.c:geohashCalculateAreasByShapeWGS84, geo.c:membersOfAllNeighbors).
func (s *geoShape) cells() []geohash {
	bounds, steps := s.bounds(), s.steps()
	center := s.center.hash(steps)
	if steps > 1 && short(center, bounds) {
		steps--
		center = s.center.hash(steps)
	}
	area := center.area()
	reaches := func(east, north int) bool {
		return steps < 2 ||
			!(north < 0 && area.min.latitude < bounds.min.latitude) && !(north > 0 && area.max.latitude > bounds.max.latitude) &&
				!(east < 0 && area.min.longitude < bounds.min.longitude) && !(east > 0 && area.max.longitude > bounds.max.longitude)
	}
	cells := []geohash{center}
	last := center
	for _, to := range [...]struct{ east, north int }{{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		if !reaches(to.east, to.north) {
			continue
		}
		// With few cells in the world, neighbors are the same. Servers compare one with the one before, but not with the center.
		cell := center.move(to.east, to.north)
		if len(cells) > 1 && cell == last {
			continue
		}
		last = cell
		cells = append(cells, cell)
	}
	return cells
}

// short reports whether the cells around a cell end before the bounds.
func short(center geohash, bounds geoArea) bool {
	return center.move(0, 1).area().max.latitude < bounds.max.latitude ||
		center.move(0, -1).area().min.latitude > bounds.min.latitude ||
		center.move(1, 0).area().max.longitude < bounds.max.longitude ||
		center.move(-1, 0).area().min.longitude > bounds.min.longitude
}

// geoHit is a member that a search found.
type geoHit struct {
	member string
	score  float64
	meters float64
}

// search returns the members inside of the shape, in the order in which servers come upon them; not more than limit if it is not 0.
func (z *zsetValue) search(s *geoShape, limit int64) []geoHit {
	var hits []geoHit
	full := func() bool { return limit > 0 && int64(len(hits)) >= limit }
	for _, cell := range s.cells() {
		if full() {
			break
		}
		first, end := cell.score(), cell.following()
		lo := z.firstFrom(0, func(_ []byte, score float64) bool { return score >= first })
		z.each(lo, func(member []byte, score float64) bool {
			if score >= end {
				return false
			}
			if meters, inside := s.distance(scoreHash(score).center()); inside {
				hits = append(hits, geoHit{member: string(member), score: score, meters: meters})
			}
			return !full()
		})
	}
	return hits
}
