package keyspace

import (
	"encoding/binary"
	"math"
)

// intSet is integers in ascending order, each in as many bytes as the largest needs: the server's intset.
type intSet struct {
	data  []byte
	width int // 2, 4 or 8; 0 while it is empty
}

func intWidth(n int64) int {
	switch {
	case n == int64(int16(n)):
		return 2
	case math.MinInt32 <= n && n <= math.MaxInt32:
		return 4
	default:
		return 8
	}
}

func (s *intSet) len() int {
	if s.width == 0 {
		return 0
	}
	return len(s.data) / s.width
}

// at returns number i.
func (s *intSet) at(i int) int64 {
	b := s.data[i*s.width:]
	switch s.width {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	default:
		return int64(binary.LittleEndian.Uint64(b))
	}
}

func (s *intSet) write(i int, n int64) {
	b := s.data[i*s.width:]
	switch s.width {
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(n))
	default:
		binary.LittleEndian.PutUint64(b, uint64(n))
	}
}

// find returns where n is or belongs.
func (s *intSet) find(n int64) (i int, found bool) {
	low, high := 0, s.len()
	for low < high {
		middle := (low + high) / 2
		if s.at(middle) < n {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < s.len() && s.at(low) == n
}

// add adds n and reports whether it is new.
func (s *intSet) add(n int64) bool {
	i, found := s.find(n)
	if found {
		return false
	}
	if width := intWidth(n); width > s.width {
		s.widen(width)
	}
	was := len(s.data)
	if was+s.width > cap(s.data) {
		s.data = append(make([]byte, 0, was+was/4+s.width), s.data...)
	}
	s.data = s.data[:was+s.width]
	copy(s.data[(i+1)*s.width:], s.data[i*s.width:was])
	s.write(i, n)
	return true
}

func (s *intSet) widen(width int) {
	wide := intSet{data: make([]byte, s.len()*width), width: width}
	for i := range s.len() {
		wide.write(i, s.at(i))
	}
	*s = wide
}

// remove removes n and reports whether it was there.
func (s *intSet) remove(n int64) bool {
	i, found := s.find(n)
	if found {
		s.data = append(s.data[:i*s.width], s.data[(i+1)*s.width:]...)
	}
	return found
}
