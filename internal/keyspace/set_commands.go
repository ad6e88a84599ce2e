package keyspace

import "bytes"

// setCommands is t_set.c, less what only reads.
func setCommands() []command {
	return []command{
		{"SADD", -3, writes1, (*call).addToSet},
		{"SREM", -3, writes1, (*call).removeFromSet},
		{"SMOVE", 4, writesBoth, (*call).moveInSets},
		{"SPOP", -2, writes1, (*call).popFromSet},
		{"SINTERSTORE", -3, planSetStore, func(c *call) error { return c.storeSet(intersection) }},
		{"SUNIONSTORE", -3, planSetStore, func(c *call) error { return c.storeSet(setUnion) }},
		{"SDIFFSTORE", -3, planSetStore, func(c *call) error { return c.storeSet(setDifference) }},
	}
}

// planSetStore is the plan of commands that make a set of others. Where one of them is no set the command is refused and the destination
// stays: it is not Overwrites.
func planSetStore(args [][]byte, p *Plan) {
	for _, key := range args[2:] {
		p.add(key, Reads)
	}
	p.add(args[1], Writes)
}

func (c *call) addToSet() error {
	key := c.args[1]
	s, found, err := find[*setValue](c, key)
	if err != nil {
		return err
	}
	if !found {
		s = &setValue{}
	}
	added := false
	for _, member := range c.args[2:] {
		added = s.add(member) || added
	}
	switch {
	case !found:
		c.put(key, s)
	case added:
		c.changed(key)
	}
	return nil
}

func (c *call) removeFromSet() error {
	s, found, err := find[*setValue](c, c.args[1])
	if !found {
		return err
	}
	for _, member := range c.args[2:] {
		s.remove(member)
	}
	c.changed(c.args[1])
	return nil
}

func (c *call) moveInSets() error {
	source, destination, member := c.args[1], c.args[2], c.args[3]
	from, found, err := find[*setValue](c, source)
	if !found {
		return err
	}
	to, toFound, err := find[*setValue](c, destination)
	if err != nil || bytes.Equal(source, destination) || !from.remove(member) {
		return err
	}
	c.changed(source)
	if toFound {
		to.add(member)
		c.changed(destination)
		return nil
	}
	to = &setValue{}
	to.add(member)
	c.put(destination, to)
	return nil
}

// popFromSet is SPOP. No stream has it: servers write SREM or DEL of what they took. In a log that somebody else wrote it takes random members
// each time that a server loads the log, so any choice is one that a server could have made.
func (c *call) popFromSet() error {
	n := int64(1)
	if len(c.args) > 2 {
		var ok bool
		if n, ok = parseInt(c.args[2]); !ok || n < 0 || len(c.args) > 3 {
			return errFailed
		}
	}
	s, found, err := find[*setValue](c, c.args[1])
	if !found {
		return err
	}
	if n >= int64(s.len()) {
		c.remove(c.args[1])
		return nil
	}
	var taken [][]byte
	s.each(func(member []byte) bool {
		if int64(len(taken)) == n {
			return false
		}
		taken = append(taken, bytes.Clone(member))
		return true
	})
	for _, member := range taken {
		s.remove(member)
	}
	c.changed(c.args[1])
	return nil
}

// storeSet makes the destination what combine makes of the sets; nil stands for those that do not exist.
func (c *call) storeSet(combine func(sets []*setValue) *setValue) error {
	sets := make([]*setValue, 0, len(c.args)-2)
	for _, key := range c.args[2:] {
		s, _, err := find[*setValue](c, key)
		if err != nil {
			return err
		}
		sets = append(sets, s)
	}
	c.replace(c.args[1], combine(sets))
	return nil
}

func intersection(sets []*setValue) *setValue {
	result := &setValue{}
	smallest := sets[0]
	for _, s := range sets {
		if s == nil {
			return result
		}
		if s.len() < smallest.len() {
			smallest = s
		}
	}
	smallest.each(func(member []byte) bool {
		for _, s := range sets {
			if s != smallest && !s.has(member) {
				return true
			}
		}
		result.add(member)
		return true
	})
	return result
}

func setUnion(sets []*setValue) *setValue {
	result := &setValue{}
	for _, s := range sets {
		if s != nil {
			s.each(func(member []byte) bool { result.add(member); return true })
		}
	}
	return result
}

func setDifference(sets []*setValue) *setValue {
	result := &setValue{}
	if sets[0] == nil {
		return result
	}
	sets[0].each(func(member []byte) bool {
		for _, s := range sets[1:] {
			if s != nil && s.has(member) {
				return true
			}
		}
		result.add(member)
		return true
	})
	return result
}
