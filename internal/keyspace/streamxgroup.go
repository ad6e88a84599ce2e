package keyspace

import (
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// planXGroup is the plan of XGROUP CREATE and SETID: with an option that we do not know, a later server's, they are carried.
func planXGroup(args [][]byte, p *Plan) {
	p.add(args[2], Writes)
	if _, ok := parseXGroup(args, isWord(args[1], "CREATE")); !ok {
		p.Effect = Carry
	}
}

// groupArgs are the options of XGROUP CREATE and SETID.
type groupArgs struct {
	create      bool // the key if there is none
	entriesRead int64
}

func parseXGroup(args [][]byte, create bool) (a groupArgs, ok bool) {
	a.entriesRead = unknownReads
	for at := 5; at < len(args); at++ {
		switch {
		case create && isWord(args[at], "MKSTREAM"):
			a.create = true
		case isWord(args[at], "ENTRIESREAD") && at+1 < len(args):
			at++
			a.entriesRead, ok = parseInt(args[at])
			if !ok || a.entriesRead < unknownReads {
				return a, false
			}
		default:
			return a, false
		}
	}
	if create {
		return a, len(args) <= 8
	}
	return a, len(args) == 5 || len(args) == 7
}

func runXGroupCreate(c *call) error {
	a, ok := parseXGroup(c.args, true)
	if !ok {
		return errFailed
	}
	key, name := c.args[2], c.args[3]
	s, err := c.findStream(key)
	if err != nil {
		return err
	}
	if s == nil && !a.create {
		return errFailed
	}
	var id rdb.StreamID
	if isLast := string(cString(c.args[4])) == "$"; !isLast {
		if id, ok = parseStreamID(c.args[4]); !ok {
			return errFailed
		}
	} else if s != nil {
		id = s.lastID
	}
	if s == nil {
		s = &streamValue{}
		c.put(key, s)
	}
	if s.groups[string(name)] != nil {
		return errFailed
	}
	s.addGroup(string(name), newStreamGroup(id, a.entriesRead))
	c.changed(key)
	return nil
}

// findGroup returns the stream and the group that an XGROUP is about, and errFailed without the stream. Without the group, g is nil.
func (c *call) findGroup() (s *streamValue, g *streamGroup, err error) {
	s, err = c.findStream(c.args[2])
	switch {
	case err != nil:
		return nil, nil, err
	case s == nil:
		return nil, nil, errFailed
	default:
		return s, s.groups[string(c.args[3])], nil
	}
}

func runXGroupSetID(c *call) error {
	a, ok := parseXGroup(c.args, false)
	if !ok {
		return errFailed
	}
	s, g, err := c.findGroup()
	if err != nil {
		return err
	}
	if g == nil {
		return errFailed
	}
	id := s.lastID
	if string(cString(c.args[4])) != "$" {
		if id, ok = parseAnyStreamID(c.args[4]); !ok {
			return errFailed
		}
	}
	g.lastID, g.entriesRead = id, a.entriesRead
	return nil
}

func runXGroupDestroy(c *call) error {
	s, g, err := c.findGroup()
	if g == nil || err != nil {
		return err
	}
	s.removeGroup(c.args[3])
	c.changed(c.args[2])
	return nil
}

func runXGroupCreateConsumer(c *call) error {
	s, g, err := c.findGroup()
	if err != nil {
		return err
	}
	if g == nil {
		return errFailed
	}
	s.consumer(g, c.args[4], c.space.now)
	c.changed(c.args[2])
	return nil
}

func runXGroupDelConsumer(c *call) error {
	s, g, err := c.findGroup()
	if err != nil {
		return err
	}
	if g == nil {
		return errFailed
	}
	if freed, found := g.removeConsumer(c.args[4]); found {
		s.bytes -= freed
		c.changed(c.args[2])
	}
	return nil
}

// consumer returns the group's consumer of that name, which it creates if need be.
func (s *streamValue) consumer(g *streamGroup, name []byte, now int64) *streamConsumer {
	consumer, created := g.consumer(name, now)
	if created {
		s.bytes += consumerBytes + int64(len(name))
	}
	return consumer
}
