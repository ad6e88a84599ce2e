package keyspace

import (
	"math"
	"slices"
)

const (
	// polygonVertices is how many vertices a polygon has at least.
	polygonVertices = 3
	// balanced is how far from the middle of the earth, in its radii, points have a middle of which rounding leaves enough digits.
	balanced = 1e-3
)

// polygon parses BYPOLYGON, a number of vertices, and the vertices. It returns how many arguments these are, 0 if they are not valid.
func (s *geoShape) polygon(args [][]byte) (taken int) {
	n, ok := parseInt(args[1])
	points := args[2:]
	if !ok || n < polygonVertices || n > int64(len(points)/2) {
		return 0
	}
	vertices := make([]geoPoint, n)
	for i := range vertices {
		if vertices[i], ok = parseGeoPoint(points[2*i:]); !ok {
			return 0
		}
	}
	s.vertices, s.center = vertices, centroid(vertices)
	s.unit, s.slack = 1, slackOf9
	return 2 + 2*len(vertices)
}

// centroid returns the point on the earth below the middle of the points (geohash_helper.c:geohashBoundingBox). It is not valid if it is
// nearer to a pole than a place may be, and no number at all if the points have their middle in that of the earth, but for rounding.
func centroid(points []geoPoint) geoPoint {
	var x, y, z float64
	for _, p := range points {
		longitude, latitude := radians(p.longitude), radians(p.latitude)
		x += float64(math.Cos(latitude) * math.Cos(longitude))
		y += float64(math.Cos(latitude) * math.Sin(longitude))
		z += math.Sin(latitude)
	}
	across := math.Sqrt(float64(x*x) + float64(y*y))
	if math.Hypot(across, z) < balanced*float64(len(points)) {
		return geoPoint{longitude: math.NaN(), latitude: math.NaN()}
	}
	return geoPoint{longitude: degrees(math.Atan2(y, x)), latitude: degrees(math.Atan2(z, across))}
}

// within reports whether a point is inside of the polygon: whether a ray from it to the east crosses the sides an odd number of times
// (geohash_helper.c:geohashGetDistanceIfInPolygon). There is no sphere in it, and no way across the 180th meridian.
func (s *geoShape) within(p geoPoint) bool {
	inside := false
	b := s.vertices[len(s.vertices)-1]
	for _, a := range s.vertices {
		if (a.latitude > p.latitude) != (b.latitude > p.latitude) &&
			p.longitude < (b.longitude-a.longitude)*(p.latitude-a.latitude)/(b.latitude-a.latitude)+a.longitude {
			inside = !inside
		}
		b = a
	}
	return inside
}

// polygonBounds returns the box of degrees that the vertices are in.
func (s *geoShape) polygonBounds() geoArea {
	area := geoArea{min: s.vertices[0], max: s.vertices[0]}
	for _, p := range s.vertices[1:] {
		area.min = geoPoint{min(area.min.longitude, p.longitude), min(area.min.latitude, p.latitude)}
		area.max = geoPoint{max(area.max.longitude, p.longitude), max(area.max.latitude, p.latitude)}
	}
	return area
}

// farthestCorner returns the meters from the center to the farthest corner of the bounds.
func (s *geoShape) farthestCorner() float64 {
	bounds, farthest := s.polygonBounds(), 0.0
	for _, longitude := range []float64{bounds.min.longitude, bounds.max.longitude} {
		for _, latitude := range []float64{bounds.min.latitude, bounds.max.latitude} {
			farthest = max(farthest, s.fromCenter(geoPoint{longitude, latitude}))
		}
	}
	return farthest
}

// steady reports whether a polygon's search goes to the same cells on every server. They are those around the centroid, which comes of the C library's
// trigonometry: if it lies on the border of two cells, as that of a box around Greenwich does, the last bits decide which of the two it is in.
func (s *geoShape) steady() bool {
	const slack = 1e-9 // degrees, far more than rounding comes to
	if !s.center.valid() {
		return false
	}
	cells := s.cells()
	for _, to := range []geoPoint{{slack, slack}, {slack, -slack}, {-slack, slack}, {-slack, -slack}} {
		moved := *s
		moved.center = geoPoint{s.center.longitude + to.longitude, s.center.latitude + to.latitude}
		if !moved.center.valid() || !slices.Equal(cells, moved.cells()) {
			return false
		}
	}
	return true
}
