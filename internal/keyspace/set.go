package keyspace

import (
	"maps"
	"strconv"
)

// setValue is a set, in one of three forms: integers alone while they are few; few short members packed, in the order in which they
// came; a table. A set goes from form to form as it grows and not back, as on servers, whose default limits these are.
type setValue struct {
	form  setForm
	ints  intSet
	few   packed
	table *setTable
}

type setForm uint8

const (
	setOfInts setForm = iota
	setOfFew
	setInTable
)

const (
	maxSetInts   = 512 // set-max-intset-entries
	maxSetFew    = 128 // set-max-listpack-entries
	maxFewMember = 64  // set-max-listpack-value

	setBytes = 96 // of a setValue
)

// setTable is members by what they are.
type setTable struct {
	ints  map[int64]struct{}
	texts map[string]struct{}
	bytes int64
}

// What a member of a table costs beside its text, about.
const (
	tableIntBytes  = 16
	tableTextBytes = 32
)

var _ value = (*setValue)(nil)

func (s *setValue) typeName() string { return "set" }
func (s *setValue) empty() bool      { return s.len() == 0 }

func (s *setValue) size() int64 {
	n := setBytes + int64(cap(s.ints.data)+cap(s.few.buf))
	if s.table != nil {
		n += s.table.bytes
	}
	return n
}

func (s *setValue) len() int {
	if s.form == setInTable {
		return s.table.len()
	}
	return s.ints.len() + s.few.n
}

func (s *setValue) clone() value {
	to := &setValue{form: s.form, ints: s.ints, few: s.few.clone()}
	to.ints.data = append([]byte(nil), s.ints.data...)
	if s.table != nil {
		to.table = &setTable{ints: maps.Clone(s.table.ints), texts: maps.Clone(s.table.texts), bytes: s.table.bytes}
	}
	return to
}

// each calls visit for each member until it returns false: integers alone in their order, few members in the order in which they came, others
// in none. The text is valid during the call.
func (s *setValue) each(visit func(member []byte) bool) {
	switch s.form {
	case setOfInts:
		var scratch numberBuffer
		for i := range s.ints.len() {
			if !visit(strconv.AppendInt(scratch[:0], s.ints.at(i), 10)) {
				return
			}
		}
	case setOfFew:
		s.few.each(visit)
	case setInTable:
		s.table.each(visit)
	}
}

func (t *setTable) len() int { return len(t.ints) + len(t.texts) }

func (t *setTable) each(visit func(member []byte) bool) {
	var text []byte
	for n := range t.ints {
		text = strconv.AppendInt(text[:0], n, 10)
		if !visit(text) {
			return
		}
	}
	for member := range t.texts {
		text = append(text[:0], member...)
		if !visit(text) {
			return
		}
	}
}

// fewElement is a member as it is in a set of few.
type fewElement [maxFewMember + 4]byte

func (b *fewElement) write(e *element) []byte {
	e.write(b[:e.size])
	return b[:e.size]
}

// has reports whether there is such a member.
func (s *setValue) has(member []byte) bool {
	found := false
	switch s.form {
	case setOfInts:
		if n, ok := parseInt(member); ok {
			_, found = s.ints.find(n)
		}
	case setOfFew:
		if len(member) <= maxFewMember {
			var b fewElement
			e := packElement(member)
			found = s.few.find(b.write(&e), s.few.from) >= 0
		}
	case setInTable:
		if n, ok := parseInt(member); ok {
			_, found = s.table.ints[n]
		} else {
			_, found = s.table.texts[string(member)]
		}
	}
	return found
}

// add adds a copy of member and reports whether it is new.
func (s *setValue) add(member []byte) bool {
	n, isInt := parseInt(member)
	if s.form == setOfInts {
		if isInt && (s.ints.len() < maxSetInts || s.has(member)) {
			return s.ints.add(n)
		}
		s.leaveInts(member, isInt)
	}
	if s.form == setOfFew {
		if len(member) <= maxFewMember {
			var b fewElement
			e := packElement(member)
			if s.few.find(b.write(&e), s.few.from) >= 0 {
				return false
			}
			if s.few.n < maxSetFew {
				s.few.pushBack(&e)
				return true
			}
		}
		s.leaveFew()
	}
	if isInt {
		return s.table.addInt(n)
	}
	return s.table.addText(member)
}

// leaveInts changes the form so that member can be added.
func (s *setValue) leaveInts(member []byte, isInt bool) {
	ints := s.ints
	s.ints = intSet{}
	if !isInt && ints.len() < maxSetFew && len(member) <= maxFewMember {
		s.form = setOfFew
		var scratch numberBuffer
		for i := range ints.len() {
			e := packElement(strconv.AppendInt(scratch[:0], ints.at(i), 10))
			s.few.pushBack(&e)
		}
		return
	}
	s.form, s.table = setInTable, &setTable{}
	for i := range ints.len() {
		s.table.addInt(ints.at(i))
	}
}

func (s *setValue) leaveFew() {
	s.form, s.table = setInTable, &setTable{}
	s.few.each(func(member []byte) bool {
		if n, ok := parseInt(member); ok {
			s.table.addInt(n)
		} else {
			s.table.addText(member)
		}
		return true
	})
	s.few = packed{}
}

func (t *setTable) addInt(n int64) bool {
	if t.ints == nil {
		t.ints = map[int64]struct{}{}
	}
	was := len(t.ints)
	if t.ints[n] = struct{}{}; len(t.ints) == was {
		return false
	}
	t.bytes += tableIntBytes
	return true
}

func (t *setTable) addText(member []byte) bool {
	if _, found := t.texts[string(member)]; found {
		return false
	}
	if t.texts == nil {
		t.texts = map[string]struct{}{}
	}
	t.texts[string(member)] = struct{}{}
	t.bytes += tableTextBytes + int64(len(member))
	return true
}

// remove removes a member and reports whether there was one.
func (s *setValue) remove(member []byte) bool {
	n, isInt := parseInt(member)
	switch s.form {
	case setOfInts:
		return isInt && s.ints.remove(n)
	case setOfFew:
		return s.removeFew(member)
	case setInTable:
		return s.table.remove(member, n, isInt)
	}
	return false
}

func (s *setValue) removeFew(member []byte) bool {
	if len(member) > maxFewMember {
		return false
	}
	var b fewElement
	e := packElement(member)
	at := s.few.find(b.write(&e), s.few.from)
	if at < 0 {
		return false
	}
	s.few.cut(at, at+e.size, 1)
	s.few.fit()
	return true
}

func (t *setTable) remove(member []byte, n int64, isInt bool) bool {
	was := t.len()
	cost := int64(tableIntBytes)
	if isInt {
		delete(t.ints, n)
	} else {
		delete(t.texts, string(member))
		cost = tableTextBytes + int64(len(member))
	}
	if t.len() == was {
		return false
	}
	t.bytes -= cost
	return true
}
