package rdb

import "encoding/binary"

// blobKind is what a string holds that is an encoded value.
type blobKind uint8

const (
	listpack blobKind = iota
	ziplist
	intset
)

const (
	// blobHead is how much of a blob tells whether it can be one.
	blobHead = 8
	// The sizes of the empty ones, the least that there is.
	minListpack, minZiplist, minIntset = 7, 11, 8
	// blobEnd is the last byte of listpacks and ziplists.
	blobEnd = 0xFF
)

// skipBlob consumes a string that holds an encoded value. It refuses what a loader refuses without
// sanitize-dump-payload: a wrong header or last byte. Compressed ones are not looked into.
func (s *source) skipBlob(kind blobKind) {
	h := s.stringHead()
	if h.kind == lzfString || s.err != nil {
		s.skip(h.size)
		return
	}
	if h.kind == intString || !s.fill(int(min(h.size, blobHead))) || !kind.begins(s.buf[s.pos:s.end], h.size) {
		s.corrupt("header of an encoded value is wrong")
		return
	}
	s.skip(h.size - 1)
	if last := s.byte(); kind != intset && last != blobEnd {
		s.corrupt("encoded value without its last byte")
	}
}

// begins reports whether a blob of the given size can begin with p, which has its first 8 bytes if it is that long
// (listpack.c:lpValidateIntegrity, ziplist.c:ziplistValidateIntegrity, intset.c:intsetValidateIntegrity).
func (k blobKind) begins(p []byte, size uint64) bool {
	switch k {
	case listpack: // size u32, elements u16
		return size >= minListpack && uint64(binary.LittleEndian.Uint32(p)) == size
	case ziplist: // size u32, tail u32, elements u16
		return size >= minZiplist && uint64(binary.LittleEndian.Uint32(p)) == size &&
			uint64(binary.LittleEndian.Uint32(p[4:])) < size
	case intset: // width u32, elements u32
		if size < minIntset {
			return false
		}
		width, n := uint64(binary.LittleEndian.Uint32(p)), uint64(binary.LittleEndian.Uint32(p[4:]))
		return (width == 2 || width == 4 || width == 8) && n > 0 && minIntset+n*width == size
	default:
		return false
	}
}
