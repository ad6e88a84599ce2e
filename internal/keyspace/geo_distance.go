package keyspace

import "math"

// The numbers of geohash_helper.c.
const (
	earthRadius  = 6372797.560856 // meters
	halfMercator = 20037726.37
	slackOf9     = 1e-15 // GEO_EPSILON of Valkey since 9.0; others compare with 0
	degree       = math.Pi / 180
)

func radians(degrees float64) float64 { return degrees * degree }
func degrees(radians float64) float64 { return radians / degree }

// geoDistance returns the meters between two points (geohash_helper.c:geohashGetDistance), which it takes to be on one meridian if the sine of
// half the way between theirs is no more than slack. The operations are those of the servers in their order, each rounded for itself; only sine,
// cosine and arc sine are Go's, which differ from the C library's in the last bits. TestGeoDistance measures what comes of it: 3 of 10 distances
// differ, within a city by less than 0.1 nanometers and within a continent by less than 10. So a search may find another member where one lies so
// near to the border, or where COUNT cuts between two distances that are so near to each other but not equal: equal ones are equal in both. A
// score counts cells of 0.6 by 0.3 meters.
func geoDistance(a, b geoPoint, slack float64) float64 {
	v := math.Sin((radians(b.longitude) - radians(a.longitude)) / 2)
	if math.Abs(v) <= slack {
		return latitudeDistance(a, b)
	}
	latA, latB := radians(a.latitude), radians(b.latitude)
	u := math.Sin((latB - latA) / 2)
	h := float64(u*u) + float64(math.Cos(latA)*math.Cos(latB)*v*v)
	return 2.0 * earthRadius * math.Asin(math.Sqrt(h))
}

// latitudeDistance returns the meters between the latitudes of two points. It is exact.
func latitudeDistance(a, b geoPoint) float64 {
	return earthRadius * math.Abs(radians(b.latitude)-radians(a.latitude))
}

// geoShape is the area of a search around a center: a circle, a box with the sides parallel to the axes, or a polygon, which has a center of its own.
type geoShape struct {
	center geoPoint
	// vertices are those of a polygon, else nil.
	vertices []geoPoint
	box      bool
	// radius, width and height are in units, of which one is so many meters.
	radius, width, height float64
	unit                  float64
	slack                 float64 // of geoDistance
}

// distance returns the meters between the center and the point, and whether the point is inside of the shape.
func (s *geoShape) distance(p geoPoint) (meters float64, inside bool) {
	switch {
	case s.vertices != nil:
		if !s.within(p) {
			return 0, false
		}
		return s.fromCenter(p), true
	case !s.box:
		meters = s.fromCenter(p)
		return meters, !(meters > s.radius*s.unit)
	}
	if latitudeDistance(p, s.center) > s.height*s.unit/2 {
		return 0, false
	}
	if geoDistance(p, geoPoint{longitude: s.center.longitude, latitude: p.latitude}, s.slack) > s.width*s.unit/2 {
		return 0, false
	}
	return s.fromCenter(p), true
}

func (s *geoShape) fromCenter(p geoPoint) float64 { return geoDistance(s.center, p, s.slack) }

// bounds returns the box of degrees around the shape (geohash_helper.c:geohashBoundingBox), as wide as on the side that is nearer to the pole.
func (s *geoShape) bounds() geoArea {
	if s.vertices != nil {
		return s.polygonBounds()
	}
	height, width := s.unit*s.radius, s.unit*s.radius
	if s.box {
		height, width = s.unit*(s.height/2), s.unit*(s.width/2)
	}
	latitude := degrees(height / earthRadius)
	side := s.center.latitude + latitude
	if s.center.latitude < 0 {
		side = s.center.latitude - latitude
	}
	longitude := degrees(width / earthRadius / math.Cos(radians(side)))
	return geoArea{
		min: geoPoint{s.center.longitude - longitude, s.center.latitude - latitude},
		max: geoPoint{s.center.longitude + longitude, s.center.latitude + latitude},
	}
}

// reach returns the meters from the center to the farthest point; of a polygon, to the farthest corner of its bounds.
func (s *geoShape) reach() float64 {
	switch {
	case s.vertices != nil:
		return s.farthestCorner()
	case !s.box:
		return s.radius * s.unit
	}
	return math.Sqrt(float64((s.width/2)*(s.width/2))+float64((s.height/2)*(s.height/2))) * s.unit
}

// steps returns how fine cells may be so that three by three of them cover the shape, about (geohashEstimateStepsByRadius).
func (s *geoShape) steps() uint {
	reach := s.reach()
	if reach == 0 {
		return geoSteps
	}
	steps := 1
	for ; reach < halfMercator; reach *= 2 {
		steps++
	}
	steps -= 2
	if latitude := math.Abs(s.center.latitude); latitude > 66 {
		steps--
		if latitude > 80 {
			steps--
		}
	}
	return uint(min(max(steps, 1), geoSteps))
}
