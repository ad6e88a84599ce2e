package keyspace

import (
	"bytes"
	"slices"
)

func sortCommands() []command {
	return []command{{"SORT", -2, planSort, (*call).sort}}
}

// sortItem is one element to sort.
type sortItem struct {
	elem   []byte
	score  float64
	weight []byte // of ALPHA with BY; nil: there is none
}

// sort is SORT. Without STORE it changes nothing, and is not run.
func (c *call) sort() error {
	q, ok := parseSort(c.args[2:])
	if !ok {
		return errFailed
	}
	e, err := c.entry(c.args[1])
	if err != nil || q.store == nil {
		return err
	}
	var items []sortItem
	if e != nil {
		if items, ok = sortItems(e.value); !ok {
			return errFailed
		}
		if _, isSet := e.value.(*setValue); isSet && q.keepOrder {
			// A set has no order to keep: servers take the one of the bytes, so that replicas agree.
			q.keepOrder, q.alpha, q.by = false, true, nil
		}
	}
	if err := c.order(items, &q); err != nil {
		return err
	}
	from, to := q.window(len(items))
	result, err := c.sorted(items[from:to], &q)
	if err != nil {
		return err
	}
	c.replace(q.store, result)
	return nil
}

// sortItems copies what is to be sorted out of a list, a set, or a sorted set in the order of its scores; others are refused.
func sortItems(v value) (items []sortItem, ok bool) {
	var text []byte
	var ends []int
	add := func(elem []byte) bool {
		text = append(text, elem...)
		ends = append(ends, len(text))
		return true
	}
	switch v := v.(type) {
	case *listValue:
		v.each(add)
	case *setValue:
		v.each(add)
	case *zsetValue:
		v.each(0, func(member []byte, _ float64) bool { return add(member) })
	default:
		return nil, false
	}
	items = make([]sortItem, len(ends))
	from := 0
	for i, to := range ends {
		items[i].elem = text[from:to:to]
		from = to
	}
	return items, true
}

// order brings the items into order.
func (c *call) order(items []sortItem, q *sortQuery) error {
	if q.keepOrder {
		if q.descending {
			slices.Reverse(items)
		}
		return nil
	}
	if err := c.weigh(items, q); err != nil {
		return err
	}
	compare := q.comparison()
	// Items that compare equal and differ are only those that ALPHA compares by weights of other keys. What becomes of their order depends on
	// the algorithm: servers take the C library's qsort, which is stable, or their own for a part.
	if from, to := q.window(len(items)); q.by != nil && (from > 0 || to < len(items)) {
		sortPart(items, compare, from, to)
	} else {
		slices.SortStableFunc(items, compare)
	}
	return nil
}

// weigh finds what the items are compared by. An item whose key is missing weighs 0, or less than all others with ALPHA.
func (c *call) weigh(items []sortItem, q *sortQuery) error {
	if q.alpha && q.by == nil {
		return nil
	}
	for i := range items {
		weight := items[i].elem
		if q.by != nil {
			var found bool
			var err error
			weight, found, err = c.lookUp(q.by, weight)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
		}
		if q.alpha {
			items[i].weight = append([]byte{}, weight...)
			continue
		}
		score, ok := c.space.parseSortScore(weight)
		if !ok {
			return errFailed
		}
		items[i].score = score
	}
	return nil
}

// comparison returns how the items compare (sort.c:sortCompare, with STORE).
func (q *sortQuery) comparison() func(a, b sortItem) int {
	sign := 1
	if q.descending {
		sign = -1
	}
	switch {
	case q.alpha && q.by == nil:
		return func(a, b sortItem) int { return sign * bytes.Compare(a.elem, b.elem) }
	case q.alpha:
		return func(a, b sortItem) int {
			switch {
			case a.weight != nil && b.weight != nil:
				return sign * bytes.Compare(a.weight, b.weight)
			case a.weight != nil:
				return sign
			case b.weight != nil:
				return -sign
			default:
				return 0
			}
		}
	default:
		return func(a, b sortItem) int {
			switch {
			case a.score > b.score:
				return sign
			case a.score < b.score:
				return -sign
			default:
				return sign * bytes.Compare(a.elem, b.elem)
			}
		}
	}
}

// sorted makes the list that is stored: the items, or what GET says of each, which is an empty element where there is nothing.
func (c *call) sorted(items []sortItem, q *sortQuery) (*listValue, error) {
	list := &listValue{}
	for i := range items {
		if len(q.gets) == 0 {
			list.pushBack(items[i].elem)
		}
		for n := range q.gets {
			text := items[i].elem
			if !q.gets[n].element {
				var err error
				if text, _, err = c.lookUp(&q.gets[n], text); err != nil {
					return nil, err
				}
			}
			list.pushBack(text)
		}
		if err := c.grow(list.size()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// lookUp returns the string, or the hash's field, that a pattern names for elem; it is valid until the next command.
func (c *call) lookUp(p *sortPattern, elem []byte) (text []byte, found bool, err error) {
	if !p.star {
		return nil, false, nil
	}
	e, err := c.entry(slices.Concat(p.before, elem, p.after))
	if e == nil || err != nil {
		return nil, false, err
	}
	switch v := e.value.(type) {
	case *stringValue:
		if len(p.field) == 0 {
			return v.text(make([]byte, 0, maxIntText)), true, nil
		}
	case *hashValue:
		if len(p.field) > 0 {
			if at := v.find(p.field); at >= 0 {
				return v.at(at).value, true, nil
			}
		}
	}
	return nil, false, nil
}
