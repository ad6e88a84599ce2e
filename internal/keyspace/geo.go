package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// geoCommands are the commands of places that write, or may. A place is a member of a sorted set whose score is its geohash.
func geoCommands() []command {
	return []command{
		{name: "GEOADD", arity: -5, plan: writes1, run: geoadd},
		{name: "GEORADIUS", arity: -6, plan: planGeoRadius, run: georadius},
		{name: "GEORADIUSBYMEMBER", arity: -5, plan: planGeoRadiusByMember, run: georadiusbymember},
		{name: "GEOSEARCHSTORE", arity: -8, plan: planGeoSearchStore, run: geosearchstore},
	}
}

// geoadd runs GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...], which is a ZADD (geo.c:geoaddCommand).
func geoadd(c *call) error {
	var flags zaddFlags
	places := c.args[2:]
options:
	for ; len(places) > 0; places = places[1:] {
		switch {
		case isWord(places[0], "NX"):
			flags.nx = true
		case isWord(places[0], "XX"):
			flags.xx = true
		case isWord(places[0], "CH"):
		default:
			break options
		}
	}
	if len(places) == 0 || len(places)%3 != 0 || !flags.compatible(1) {
		return errFailed
	}
	scores := make([]float64, 0, len(places)/3)
	for i := 0; i < len(places); i += 3 {
		place, ok := parseGeoPoint(places[i:])
		if !ok {
			return errFailed
		}
		scores = append(scores, place.hash(geoSteps).score())
	}
	return zaddPairs(c, flags, scores, func(i int) []byte { return places[3*i+2] })
}

func planGeoRadius(args [][]byte, p *Plan) {
	q, ok := parseGeoRadius(args)
	q.plan(args[1], ok, p)
}

func planGeoRadiusByMember(args [][]byte, p *Plan) {
	q, ok := parseGeoRadiusByMember(args)
	q.plan(args[1], ok, p)
}

func planGeoSearchStore(args [][]byte, p *Plan) {
	q, ok := parseGeoSearchStore(args)
	q.plan(args[2], ok, p)
}

// plan is the plan of a search in what is under key.
func (q *geoQuery) plan(key []byte, ok bool, p *Plan) {
	switch {
	case !ok || q.stored == nil:
		p.Effect = Nothing
		return
	case q.unrunnable():
		p.Effect = Carry
	}
	p.add(q.stored, Writes)
	p.add(key, Reads)
}

// unrunnable reports whether the upstream's C library decides what is stored: distances, or what is found inside of a polygon whose center is where
// rounding puts it.
func (q *geoQuery) unrunnable() bool {
	return q.storeDistances || q.by == givenPolygon && !q.shape.steady()
}

// georadius runs GEORADIUS key longitude latitude radius unit [options].
func georadius(c *call) error {
	q, ok := parseGeoRadius(c.args)
	return c.geosearch(&q, ok, c.args[1])
}

// georadiusbymember runs GEORADIUSBYMEMBER key member radius unit [options].
func georadiusbymember(c *call) error {
	q, ok := parseGeoRadiusByMember(c.args)
	return c.geosearch(&q, ok, c.args[1])
}

// geosearchstore runs GEOSEARCHSTORE destination source FROMMEMBER|FROMLONLAT ... BYRADIUS|BYBOX ... [options], and with BYPOLYGON instead of both, which
// only Valkey has, from 9 on: elsewhere nothing that did so is in a stream.
func geosearchstore(c *call) error {
	q, ok := parseGeoSearchStore(c.args)
	return c.geosearch(&q, ok, c.args[2])
}

// geosearch stores what a search of the sorted set under key finds (geo.c:georadiusGeneric).
func (c *call) geosearch(q *geoQuery, ok bool, key []byte) error {
	z, found, err := find[*zsetValue](c, key)
	switch {
	case err != nil:
		return err
	case !ok:
		return errFailed
	case q.stored == nil:
		return nil
	case q.unrunnable():
		return &UnknownCommandError{Name: string(c.args[0]) + " that the C library decides"}
	case !found:
		c.remove(q.stored)
		return nil
	case q.noShape:
		return errFailed
	}
	if c.space.opt.Format.Dialect == rdb.Valkey {
		q.shape.slack = slackOf9
	}
	for _, member := range q.members {
		score, found := z.score(member)
		if !found {
			return errFailed
		}
		q.shape.center = scoreHash(score).center()
	}
	stored := &zsetValue{}
	for _, hit := range q.choose(z) {
		stored.fill([]byte(hit.member), hit.score)
	}
	stored.settle()
	c.replace(q.stored, stored)
	return nil
}

// choose returns the members that the search keeps.
func (q *geoQuery) choose(z *zsetValue) []geoHit {
	limit := int64(0)
	if q.any {
		limit = q.count
	}
	hits := z.search(&q.shape, limit)
	if q.count == 0 || int64(len(hits)) <= q.count {
		return hits
	}
	nearest(hits, int(q.count), q.farthest)
	return hits[:q.count]
}
