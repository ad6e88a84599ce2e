package keyspace

// Coordinates that a server takes: those of Web Mercator, which has no poles (geohash.h).
const (
	minLongitude = -180.0
	maxLongitude = 180.0
	minLatitude  = -85.05112878
	maxLatitude  = 85.05112878
)

// geoSteps is how many bits of each coordinate a score has.
const geoSteps = 26

// geohash is a cell: of 4^steps cells that divide the world, those bits say which one, two a step: the higher one is of the longitude. Steps is 0 for
// no cell.
type geohash struct {
	bits  uint64
	steps uint
}

// geoPoint is a place, in degrees.
type geoPoint struct{ longitude, latitude float64 }

func (p geoPoint) valid() bool {
	return minLongitude <= p.longitude && p.longitude <= maxLongitude && minLatitude <= p.latitude && p.latitude <= maxLatitude
}

// geoArea is what a cell covers, from its south-west corner to its north-east corner.
type geoArea struct{ min, max geoPoint }

// hash returns the cell that the point is in (geohash.c:geohashEncode).
func (p geoPoint) hash(steps uint) geohash {
	scale := float64(uint64(1) << steps)
	latitude := (p.latitude - minLatitude) / (maxLatitude - minLatitude) * scale
	longitude := (p.longitude - minLongitude) / (maxLongitude - minLongitude) * scale
	return geohash{bits: interleave(uint32(latitude), uint32(longitude)), steps: steps}
}

// area returns what the cell covers (geohash.c:geohashDecode). Bits past the steps, which scores of no place have, count.
func (h geohash) area() geoArea {
	latitude, longitude := deinterleave(h.bits)
	scale := float64(uint64(1) << h.steps)
	at := func(low, high float64, n uint32) float64 { return low + float64(float64(n)/scale*(high-low)) }
	return geoArea{
		min: geoPoint{at(minLongitude, maxLongitude, longitude), at(minLatitude, maxLatitude, latitude)},
		max: geoPoint{at(minLongitude, maxLongitude, longitude+1), at(minLatitude, maxLatitude, latitude+1)},
	}
}

// center returns the middle of the cell, which is the place that a score stands for.
func (h geohash) center() geoPoint {
	area := h.area()
	return geoPoint{
		longitude: min(max((area.min.longitude+area.max.longitude)/2, minLongitude), maxLongitude),
		latitude:  min(max((area.min.latitude+area.max.latitude)/2, minLatitude), maxLatitude),
	}
}

// score returns the lowest score of the cell.
func (h geohash) score() float64 { return float64(h.bits << (2*geoSteps - 2*h.steps)) }

// following returns the score behind those of the cell.
func (h geohash) following() float64 {
	h.bits++
	return h.score()
}

// scoreHash returns the cell that a score stands for. Scores that no place has are converted to integers as the servers' x86-64 code does.
func scoreHash(score float64) geohash {
	const edge = 1 << 63
	switch {
	case score > -edge && score < edge:
		return geohash{bits: uint64(int64(score)), steps: geoSteps}
	case score >= edge && score < 2*edge:
		return geohash{bits: uint64(int64(score-edge)) ^ edge, steps: geoSteps}
	case score >= 2*edge:
		return geohash{steps: geoSteps}
	default:
		return geohash{bits: edge, steps: geoSteps}
	}
}

// The bits of latitudes and of longitudes.
const (
	latitudeBits  = 0x5555555555555555
	longitudeBits = 0xAAAAAAAAAAAAAAAA
)

// move returns the cell that is so many cells, -1 to 1, to the east and to the north. It goes around the world in both directions.
func (h geohash) move(east, north int) geohash {
	mask := uint64(1)<<(2*h.steps) - 1
	longitude := stepCoordinate(h.bits&longitudeBits, latitudeBits&mask, longitudeBits&mask, east)
	latitude := stepCoordinate(h.bits&latitudeBits, longitudeBits&mask, latitudeBits&mask, north)
	h.bits = longitude | latitude
	return h
}

// stepCoordinate adds -1 to 1 to a coordinate whose bits have gaps between them, which are filled so that the carry crosses them. What is not moved keeps
// bits past the steps: the northernmost and the easternmost points have one.
func stepCoordinate(coordinate, gaps, own uint64, by int) uint64 {
	switch {
	case by > 0:
		return (coordinate + gaps + 1) & own
	case by < 0:
		return ((coordinate | gaps) - (gaps + 1)) & own
	default:
		return coordinate
	}
}

// interleave puts the bits of x at the even places and those of y at the odd ones.
func interleave(x, y uint32) uint64 { return spreadBits(x) | spreadBits(y)<<1 }

// deinterleave undoes it.
func deinterleave(bits uint64) (x, y uint32) { return gatherBits(bits), gatherBits(bits >> 1) }

// spreadBits puts a zero before each bit.
func spreadBits(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	x = (x | x<<4) & 0x0F0F0F0F0F0F0F0F
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & latitudeBits
}

// gatherBits undoes it; the bits between do not count.
func gatherBits(x uint64) uint32 {
	x &= latitudeBits
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0F0F0F0F0F0F0F0F
	x = (x | x>>4) & 0x00FF00FF00FF00FF
	x = (x | x>>8) & 0x0000FFFF0000FFFF
	return uint32(x | x>>16)
}
