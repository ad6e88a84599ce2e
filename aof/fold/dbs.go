package fold

// dbMap follows SWAPDB: from the number that a database has to the one that it had at the start. The zero value maps each to itself.
type dbMap struct{ first map[int]int }

// of returns which database has the number n now.
func (m *dbMap) of(n int) int {
	if at, ok := m.first[n]; ok {
		return at
	}
	return n
}

// number returns the number that db has now.
func (m *dbMap) number(db int) int {
	for n, at := range m.first {
		if at == db {
			return n
		}
	}
	return db
}

func (m *dbMap) swap(a, b int) {
	if m.first == nil {
		m.first = map[int]int{}
	}
	m.first[a], m.first[b] = m.of(b), m.of(a)
}
