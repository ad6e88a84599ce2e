package rdb

import "slices"

// appendLZF decompresses src, which must give exactly length bytes, and appends them to dst. The format is liblzf's:
//
//	000lllll                      l+1 literal bytes follow
//	lllooooo oooooooo             copy l+2 bytes from o+1 bytes back, l 1 to 6
//	111ooooo llllllll oooooooo    copy l+9 bytes from o+1 bytes back
func appendLZF(dst, src []byte, length int) ([]byte, bool) {
	dst = slices.Grow(dst, length)
	start := len(dst)
	for i := 0; i < len(src); {
		ctrl := int(src[i])
		i++
		if ctrl < 32 {
			n := ctrl + 1
			if n > len(src)-i || n > length-(len(dst)-start) {
				return dst, false
			}
			dst = append(dst, src[i:i+n]...)
			i += n
			continue
		}
		n := ctrl >> 5
		if n == 7 {
			if i == len(src) {
				return dst, false
			}
			n += int(src[i])
			i++
		}
		if i == len(src) {
			return dst, false
		}
		back := (ctrl&31)<<8 + int(src[i]) + 1
		i++
		n += 2
		if back > len(dst)-start || n > length-(len(dst)-start) {
			return dst, false
		}
		for from := len(dst) - back; n > 0; { // source and copy may overlap, which repeats the source
			k := min(n, len(dst)-from)
			dst = append(dst, dst[from:from+k]...)
			n -= k
		}
	}
	return dst, len(dst)-start == length
}
