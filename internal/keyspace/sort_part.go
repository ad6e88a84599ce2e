package keyspace

// sortPart sorts items so far that those from from to to are in their places. It makes the moves of the servers' partial quicksort (pqsort.c),
// whose order of equal items one can see: J. L. Bentley, M. D. McIlroy, "Engineering a Sort Function", Software: Practice and Experience
// 23 (1993), with the recursion cut where nothing is wanted.
func sortPart[T any](items []T, compare func(a, b T) int, from, to int) {
	s := partSort[T]{items: items, compare: compare, from: from, to: to}
	s.sort(0, len(items))
}

type partSort[T any] struct {
	items    []T
	compare  func(a, b T) int
	from, to int
}

// The numbers of items from which on the pivot is the middle one, the median of three, and the median of three medians.
const (
	partMiddle  = 7
	partMedian  = 8
	partNinther = 41
)

func (s *partSort[T]) cmp(i, j int) int { return s.compare(s.items[i], s.items[j]) }
func (s *partSort[T]) swap(i, j int)    { s.items[i], s.items[j] = s.items[j], s.items[i] }

// swapBlocks swaps n items at i with n at j.
func (s *partSort[T]) swapBlocks(i, j, n int) {
	for k := range n {
		s.swap(i+k, j+k)
	}
}

func (s *partSort[T]) sort(lo, hi int) {
	for {
		if hi-lo < partMiddle {
			s.insertion(lo, hi)
			return
		}
		s.swap(lo, s.pivot(lo, hi))
		less, more := s.partition(lo, hi)
		if less > 1 && s.wants(lo, lo+less) {
			s.sort(lo, lo+less)
		}
		if lo = hi - more; more <= 1 || !s.wants(lo, hi) {
			return
		}
	}
}

// wants reports whether something between lo and hi is wanted.
func (s *partSort[T]) wants(lo, hi int) bool { return s.to > lo && s.from < hi }

func (s *partSort[T]) insertion(lo, hi int) {
	for i := lo + 1; i < hi; i++ {
		for j := i; j > lo && s.cmp(j-1, j) > 0; j-- {
			s.swap(j, j-1)
		}
	}
}

func (s *partSort[T]) pivot(lo, hi int) int {
	n := hi - lo
	left, middle, right := lo, lo+n/2, hi-1
	if n < partMedian {
		return middle
	}
	if n >= partNinther {
		d := n / 8
		left = s.median(left, left+d, left+2*d)
		middle = s.median(middle-d, middle, middle+d)
		right = s.median(right-2*d, right-d, right)
	}
	return s.median(left, middle, right)
}

func (s *partSort[T]) median(a, b, c int) int {
	if s.cmp(a, b) < 0 {
		switch {
		case s.cmp(b, c) < 0:
			return b
		case s.cmp(a, c) < 0:
			return c
		default:
			return a
		}
	}
	switch {
	case s.cmp(b, c) > 0:
		return b
	case s.cmp(a, c) < 0:
		return a
	default:
		return c
	}
}

// partition splits what is between lo and hi into three parts by the pivot at lo, and returns how many items are less than it, and how
// many more. Those that equal it are gathered at both ends first.
func (s *partSort[T]) partition(lo, hi int) (less, more int) {
	leftEqual, left := lo+1, lo+1
	rightEqual, right := hi-1, hi-1
	for {
		for left <= right {
			c := s.cmp(left, lo)
			if c > 0 {
				break
			}
			if c == 0 {
				s.swap(leftEqual, left)
				leftEqual++
			}
			left++
		}
		for left <= right {
			c := s.cmp(right, lo)
			if c < 0 {
				break
			}
			if c == 0 {
				s.swap(right, rightEqual)
				rightEqual--
			}
			right--
		}
		if left > right {
			break
		}
		s.swap(left, right)
		left++
		right--
	}
	less, more = left-leftEqual, rightEqual-right
	n := min(leftEqual-lo, less)
	s.swapBlocks(lo, left-n, n)
	n = min(more, hi-1-rightEqual)
	s.swapBlocks(left, hi-n, n)
	return less, more
}
