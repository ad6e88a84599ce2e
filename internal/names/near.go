package names

const (
	// NearNames is how many names Near takes at a time: about as many misses as a processor waits for at once.
	NearNames = 16
	// nearFrom is how many names a table has before it is worth it.
	nearFrom = 4096
)

// Near fetches what Find will look at for these names, of which there are at most NearNames. It finds nothing and changes nothing, but the misses
// of the cache, which take most of a look-up in a large table, are waited for together instead of one after the other. behind, if not nil, may do
// the same with what the value of a name, or of one that looks like it, points to.
func (t *Table[V]) Near(list [][]byte, behind func(*V)) {
	if t.live < nearFrom {
		return
	}
	mask := uint32(len(t.slots) - 1)
	var hashes [NearNames]uint32
	list = list[:min(len(list), NearNames)]
	for i, name := range list {
		hashes[i] = t.hash(name)
		t.fetched += t.slots[hashes[i]&mask].number
	}
	var numbers [NearNames]uint32
	for i, hash := range hashes[:len(list)] {
		at := hash & mask
		for t.slots[at].number != 0 && t.slots[at].hash != hash {
			at = (at + 1) & mask
		}
		if numbers[i] = t.slots[at].number; numbers[i] != 0 {
			t.fetched += uint32(t.at(numbers[i]).length)
		}
	}
	if behind == nil {
		return
	}
	for _, number := range numbers[:len(list)] {
		if number != 0 {
			behind(&t.at(number).Value)
		}
	}
}
