package keyspace

// geoQuery is what the arguments of a search ask for.
type geoQuery struct {
	shape geoShape
	// members are those whose place is the center: all must be there, the last one counts.
	members [][]byte
	// noShape says that there is no valid radius. GEORADIUSBYMEMBER does not mind where there is nothing to search in.
	noShape bool

	stored         []byte // the key to store under, nil if it is not stored
	storeDistances bool

	count    int64 // 0: all
	any      bool  // the first ones found do
	farthest bool

	from, by geoGiven
	shown    bool // WITHDIST and the like, which do not go with storing
}

// geoGiven says which of several ways a search was told its center or its shape.
type geoGiven uint8

const (
	notGiven geoGiven = iota
	givenFirst
	givenSecond
	givenPolygon
)

// give takes a way if no other one was taken before.
func (g *geoGiven) give(way geoGiven) bool {
	if *g != notGiven && *g != way {
		return false
	}
	*g = way
	return true
}

// parseGeoRadius parses GEORADIUS key longitude latitude radius unit [options].
func parseGeoRadius(args [][]byte) (q geoQuery, ok bool) {
	if q.shape.center, ok = parseGeoPoint(args[2:]); !ok || !q.shape.circle(args[4:]) {
		return q, false
	}
	return q, q.options(args[6:], q.radiusOption) && q.sound()
}

// parseGeoRadiusByMember parses GEORADIUSBYMEMBER key member radius unit [options].
func parseGeoRadiusByMember(args [][]byte) (q geoQuery, ok bool) {
	q.members = args[2:3]
	q.noShape = !q.shape.circle(args[3:])
	return q, q.options(args[5:], q.radiusOption) && q.sound()
}

// parseGeoSearchStore parses GEOSEARCHSTORE destination source [options].
func parseGeoSearchStore(args [][]byte) (q geoQuery, ok bool) {
	q.stored = args[1]
	if !q.options(args[3:], q.searchOption) {
		return q, false
	}
	return q, q.sound() && (q.by == givenPolygon || q.from != notGiven && q.by != notGiven)
}

// sound reports whether options go together.
func (q *geoQuery) sound() bool {
	return (q.stored == nil || !q.shown) && (!q.any || q.count > 0)
}

// options parses options, of which one function knows those of one command alone: it returns how many arguments it takes, 0 if the first one is
// none of its options, or not a valid one.
func (q *geoQuery) options(args [][]byte, own func(args [][]byte) int) bool {
	for len(args) > 0 {
		taken := q.commonOption(args)
		if taken == 0 {
			taken = own(args)
		}
		if taken == 0 {
			return false
		}
		args = args[taken:]
	}
	return true
}

func (q *geoQuery) commonOption(args [][]byte) (taken int) {
	switch arg := args[0]; {
	case isWord(arg, "WITHDIST"), isWord(arg, "WITHHASH"), isWord(arg, "WITHCOORD"):
		q.shown = true
	case isWord(arg, "ANY"):
		q.any = true
	case isWord(arg, "ASC"):
		q.farthest = false
	case isWord(arg, "DESC"):
		q.farthest = true
	case isWord(arg, "COUNT") && len(args) > 1:
		count, ok := parseInt(args[1])
		if !ok || count <= 0 {
			return 0
		}
		q.count = count
		return 2
	default:
		return 0
	}
	return 1
}

// radiusOption parses the options of GEORADIUS and GEORADIUSBYMEMBER.
func (q *geoQuery) radiusOption(args [][]byte) (taken int) {
	if len(args) < 2 {
		return 0
	}
	switch {
	case isWord(args[0], "STORE"):
		q.stored, q.storeDistances = args[1], false
	case isWord(args[0], "STOREDIST"):
		q.stored, q.storeDistances = args[1], true
	default:
		return 0
	}
	return 2
}

// searchOption parses the options of GEOSEARCHSTORE.
func (q *geoQuery) searchOption(args [][]byte) (taken int) {
	switch arg := args[0]; {
	case isWord(arg, "STOREDIST"):
		q.storeDistances = true
		return 1
	case isWord(arg, "FROMMEMBER") && len(args) > 1 && q.by != givenPolygon && q.from.give(givenFirst):
		q.members = append(q.members, args[1])
		return 2
	case isWord(arg, "FROMLONLAT") && len(args) > 2 && q.by != givenPolygon && q.from.give(givenSecond):
		center, ok := parseGeoPoint(args[1:])
		if !ok {
			return 0
		}
		q.shape.center = center
		return 3
	case isWord(arg, "BYRADIUS") && len(args) > 2 && q.by.give(givenFirst) && q.shape.circle(args[1:]):
		return 3
	case isWord(arg, "BYBOX") && len(args) > 3 && q.by.give(givenSecond) && q.shape.rectangle(args[1:]):
		return 4
	case isWord(arg, "BYPOLYGON") && len(args) > 2 && q.from == notGiven && q.by.give(givenPolygon):
		return q.shape.polygon(args)
	default:
		return 0
	}
}

// circle parses a radius and its unit.
func (s *geoShape) circle(args [][]byte) bool {
	radius, ok1 := parseDouble(args[0])
	unit, ok2 := parseGeoUnit(args[1])
	s.box, s.radius, s.unit = false, radius, unit
	return ok1 && ok2 && radius >= 0
}

// rectangle parses a width, a height and their unit.
func (s *geoShape) rectangle(args [][]byte) bool {
	width, ok1 := parseDouble(args[0])
	height, ok2 := parseDouble(args[1])
	unit, ok3 := parseGeoUnit(args[2])
	s.box, s.width, s.height, s.unit = true, width, height, unit
	return ok1 && ok2 && ok3 && width >= 0 && height >= 0
}

// parseGeoUnit parses a unit and returns how many meters it has.
func parseGeoUnit(arg []byte) (meters float64, ok bool) {
	switch {
	case isWord(arg, "M"):
		return 1, true
	case isWord(arg, "KM"):
		return 1000, true
	case isWord(arg, "FT"):
		return 0.3048, true
	case isWord(arg, "MI"):
		return 1609.34, true
	default:
		return 0, false
	}
}

// parseGeoPoint parses a longitude and a latitude.
func parseGeoPoint(args [][]byte) (p geoPoint, ok bool) {
	longitude, ok1 := parseDouble(args[0])
	latitude, ok2 := parseDouble(args[1])
	p = geoPoint{longitude: longitude, latitude: latitude}
	return p, ok1 && ok2 && p.valid()
}
