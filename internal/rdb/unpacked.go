package rdb

import "bytes"

// UnpackedBytes returns how many bytes the body of a value has once its compressed strings are not: LZF makes at most 88 of one. It decompresses
// nothing, and takes constant memory. Of a body that is damaged it is what the part before that has.
func UnpackedBytes(f Format, t Type, raw []byte) int64 {
	r := &Reader{src: newSource(bytes.NewReader(raw)), dialect: f.Dialect, version: f.Version}
	r.walkValue(t)
	return int64(len(raw)) + r.src.saved
}
