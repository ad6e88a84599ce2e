package rdb

import "encoding/binary"

// ziplistStart is the position of a ziplist's first entry. A ziplist (ziplist.c), which servers before Redis 7 wrote, is
//
//	size u32 | position of the last entry u32 | entries u16 (65535: not counted) | entry ... | 0xFF
//	entry: size of the entry before (u8, or 0xFE u32) | head | data
const ziplistStart = 10

// ziplistEntry returns the entry at pos, which is within p, and the position behind it, if it is sound and says that the entry before it takes
// before bytes.
func ziplistEntry(p []byte, pos, before int) (e ListpackEntry, next int, ok bool) {
	end := len(p) - 1
	if pos >= end {
		return e, pos, false
	}
	at := pos + 1
	was := uint32(p[pos])
	if was >= 0xFE {
		if was == blobEnd || end-at < 4 {
			return e, pos, false
		}
		was = binary.LittleEndian.Uint32(p[at:])
		at += 4
	}
	if uint64(was) != uint64(before) || at >= end {
		return e, pos, false
	}
	head, data := ziplistHead(p[at:end])
	if head == 0 || data > end-at-head {
		return e, pos, false
	}
	from := at + head
	next = from + data
	switch c := p[at]; {
	case c < 0xC0:
		e.Bytes = p[from:next:next]
	case data == 0:
		e.Int = int64(c&0x0f) - 1
	default:
		e.Int = smallEndian(p[from:next])
	}
	return e, next, true
}

// ziplistHead returns how long the head at p is, without the size of the entry before, and how much data follows. A head of 0 is
// no entry.
func ziplistHead(p []byte) (head, data int) {
	switch c := p[0]; {
	case c < 0x40:
		return 1, int(c)
	case c < 0x80 && len(p) >= 2:
		return 2, int(c&0x3f)<<8 | int(p[1])
	case c >= 0x80 && c < 0xC0 && len(p) >= 5:
		return 5, int(binary.BigEndian.Uint32(p[1:]))
	case c == 0xC0:
		return 1, 2
	case c == 0xD0:
		return 1, 4
	case c == 0xE0:
		return 1, 8
	case c == 0xF0:
		return 1, 3
	case c == 0xFE:
		return 1, 1
	case c >= 0xF1 && c <= 0xFD:
		return 1, 0
	default:
		return 0, 0
	}
}
