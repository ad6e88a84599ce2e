package keyspace

// nearest puts the n hits that a search with COUNT n keeps at the front: the nearest ones, or the farthest ones if farthest is set. Which of
// several at the same distance these are is up to the servers' own sort (pqsort.c), Bentley's and McIlroy's quicksort that leaves alone the
// parts beyond n. It is not stable, so this one compares and swaps as it does: middle element as the pivot, median of three above 7, of nine
// above 40, equal ones gathered at both ends, insertion below 7.
func nearest(hits []geoHit, n int, farthest bool) {
	p := partialSort{hits: hits, end: n, sign: 1}
	if farthest {
		p.sign = -1
	}
	p.sort(0, len(hits))
}

// partialSort sorts hits so far that the ones before end are in place.
type partialSort struct {
	hits []geoHit
	end  int
	sign int
}

// compare is geo.c:sort_gp_asc and sort_gp_desc, which take a distance that is no number for less than any other.
func (p *partialSort) compare(i, j int) int {
	a, b := p.hits[i].meters, p.hits[j].meters
	switch {
	case a > b:
		return p.sign
	case a == b:
		return 0
	default:
		return -p.sign
	}
}

func (p *partialSort) swap(i, j int) { p.hits[i], p.hits[j] = p.hits[j], p.hits[i] }

// sort sorts the hits from lo up to hi, which is left.
func (p *partialSort) sort(lo, hi int) {
	for hi-lo >= 7 {
		less, more := p.partition(lo, hi)
		if less > lo+1 && lo < p.end {
			p.sort(lo, less)
		}
		if hi <= more+1 || more >= p.end {
			return
		}
		lo = more
	}
	for i := lo + 1; i < hi; i++ {
		for j := i; j > lo && p.compare(j-1, j) > 0; j-- {
			p.swap(j, j-1)
		}
	}
}

// partition splits the hits from lo up to hi around a pivot: those before less are less than it, those from more on are more.
func (p *partialSort) partition(lo, hi int) (less, more int) {
	p.swap(lo, p.pivot(lo, hi))
	equalLow, low := lo+1, lo+1
	high, equalHigh := hi-1, hi-1
	for {
		for low <= high && p.compare(low, lo) <= 0 {
			if p.compare(low, lo) == 0 {
				p.swap(equalLow, low)
				equalLow++
			}
			low++
		}
		for low <= high && p.compare(high, lo) >= 0 {
			if p.compare(high, lo) == 0 {
				p.swap(high, equalHigh)
				equalHigh--
			}
			high--
		}
		if low > high {
			break
		}
		p.swap(low, high)
		low++
		high--
	}
	p.swapRuns(lo, low, min(equalLow-lo, low-equalLow))
	p.swapRuns(low, hi, min(equalHigh-high, hi-equalHigh-1))
	return lo + (low - equalLow), hi - (equalHigh - high)
}

// swapRuns swaps n hits from lo on with the n ones before hi.
func (p *partialSort) swapRuns(lo, hi, n int) {
	for i := range n {
		p.swap(lo+i, hi-n+i)
	}
}

// pivot chooses a pivot among at least 7 hits.
func (p *partialSort) pivot(lo, hi int) int {
	n := hi - lo
	first, middle, last := lo, lo+n/2, hi-1
	if n == 7 {
		return middle
	}
	if n > 40 {
		d := n / 8
		first = p.median(first, first+d, first+2*d)
		middle = p.median(middle-d, middle, middle+d)
		last = p.median(last-2*d, last-d, last)
	}
	return p.median(first, middle, last)
}

func (p *partialSort) median(a, b, c int) int {
	if p.compare(a, b) < 0 {
		switch {
		case p.compare(b, c) < 0:
			return b
		case p.compare(a, c) < 0:
			return c
		default:
			return a
		}
	}
	switch {
	case p.compare(b, c) > 0:
		return b
	case p.compare(a, c) < 0:
		return a
	default:
		return c
	}
}
