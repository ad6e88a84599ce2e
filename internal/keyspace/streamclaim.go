package keyspace

import (
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

func runXAck(c *call) error {
	s, err := c.findStream(c.args[1])
	if s == nil || err != nil {
		return err
	}
	g := s.groups[string(c.args[2])]
	if g == nil {
		return nil
	}
	ids := c.args[3:]
	for _, arg := range ids {
		if _, ok := parseStreamID(arg); !ok {
			return errFailed
		}
	}
	for _, arg := range ids {
		id, _ := parseStreamID(arg)
		if g.drop(id) {
			s.bytes -= pendingBytes
		}
	}
	c.changed(c.args[1])
	return nil
}

// claimArgs are the arguments of XCLAIM behind the consumer.
type claimArgs struct {
	ids       [][]byte // that parse
	lastID    rdb.StreamID
	delivered int64 // Unix milliseconds
	count     int64 // deliveries; less than 0: one more
	force     bool
	justID    bool
}

// planXClaim carries an XCLAIM that asks for the time. What servers propagate does not: no least idle time, and TIME.
func planXClaim(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	if _, err := parseClaim(args); err != nil {
		p.Effect = Carry
	}
}

// parseClaim parses an XCLAIM. errFailed: the server refuses it, or knows more than we do. *UnknownCommandError: it needs a clock.
func parseClaim(args [][]byte) (a claimArgs, err error) {
	a = claimArgs{ids: args[5:], delivered: -1, count: -1}
	idle, ok := parseInt(args[4])
	if !ok {
		return a, errFailed
	}
	for n, arg := range a.ids {
		if _, ok := parseStreamID(arg); !ok {
			a.ids = a.ids[:n]
			break
		}
	}
	relative, ok := a.options(args[5+len(a.ids):])
	if !ok {
		return a, errFailed
	}
	if relative || idle > 0 || a.delivered < 0 {
		return a, &UnknownCommandError{Name: "XCLAIM by the clock"}
	}
	return a, nil
}

// options parses what is behind the ids. relative says that the time of delivery is to be reckoned from now.
func (a *claimArgs) options(args [][]byte) (relative, ok bool) {
	for at := 0; at < len(args); at++ {
		arg := args[at]
		if isWord(arg, "FORCE") {
			a.force = true
			continue
		}
		if isWord(arg, "JUSTID") {
			a.justID = true
			continue
		}
		at++
		if at == len(args) {
			return relative, false
		}
		switch {
		case isWord(arg, "IDLE"):
			relative = true
			a.delivered, ok = parseInt(args[at])
		case isWord(arg, "TIME"):
			relative = false
			a.delivered, ok = parseInt(args[at])
		case isWord(arg, "RETRYCOUNT"):
			a.count, ok = parseInt(args[at])
		case isWord(arg, "LASTID"):
			a.lastID, ok = parseStreamID(args[at])
		default:
			return relative, false
		}
		if !ok {
			return relative, false
		}
	}
	return relative, true
}

// runXClaim runs an XCLAIM as servers propagate it.
//
// A server sets when the consumer was seen and active by its clock, so that one that loads a log makes it the time of the load. We take
// TIME: that is when XREADGROUP or XAUTOCLAIM delivered, and so what the upstream has for active, too. Seen is the best guess: a read that
// found nothing is in no log. TIME is taken as it is, while a server takes one of the future for its now.
func runXClaim(c *call) error {
	key := c.args[1]
	s, err := c.findStream(key)
	if err != nil {
		return err
	}
	if s == nil || s.groups[string(c.args[2])] == nil {
		return errFailed
	}
	a, err := parseClaim(c.args)
	if err != nil {
		return err
	}
	g := s.groups[string(c.args[2])]
	if a.lastID.Compare(g.lastID) > 0 {
		g.lastID = a.lastID
	}
	if c.space.claimCreatesConsumer() {
		s.consumer(g, c.args[3], a.delivered).seenAt(a.delivered)
	}
	for _, arg := range a.ids {
		id, _ := parseStreamID(arg)
		s.claim(g, c.args[3], id, &a)
	}
	c.changed(key)
	return nil
}

// claim makes one entry pending for the consumer, if it is pending already or is forced. One that the stream has no more is pending no
// more.
func (s *streamValue) claim(g *streamGroup, name []byte, id rdb.StreamID, a *claimArgs) {
	p, pending := g.pending[id]
	switch {
	case !pending && !a.force:
		return
	case !s.has(id):
		if g.drop(id) {
			s.bytes -= pendingBytes
		}
		return
	case !pending:
		p.count = 1
		s.bytes += pendingBytes
	default:
		p.consumer.pending--
	}
	consumer := s.consumer(g, name, a.delivered)
	consumer.seenAt(a.delivered)
	consumer.active = max(consumer.active, a.delivered)
	consumer.pending++
	p.consumer, p.delivered = consumer, a.delivered
	switch {
	case a.count >= 0:
		p.count = uint64(a.count)
	case !a.justID:
		p.count++
	}
	g.pending[id] = p
}

// seenAt notes that the consumer was heard of.
func (c *streamConsumer) seenAt(ms int64) { c.seen = max(c.seen, ms) }

// claimCreatesConsumer reports whether XCLAIM creates the consumer also when it claims nothing: since Redis 7.2.
func (s *Space) claimCreatesConsumer() bool { return s.opt.Format.Version >= 11 }

// planXReadGroup names the keys of XREADGROUP, the first half of what is behind STREAMS.
func planXReadGroup(args [][]byte, p *Plan) {
	for at := 4; at < len(args); at++ {
		if isWord(args[at], "STREAMS") {
			keys := args[at+1:]
			for _, key := range keys[:len(keys)/2] {
				p.add(key, Writes)
			}
			return
		}
	}
}
