package keyspace

import "strings"

// slots is how many slots a cluster has.
const slots = 1 << 14

// Slot returns the cluster slot of a key: the CRC16 of it, or of what stands in its first pair of braces if that is not empty
// (cluster.h:keyHashSlot).
func Slot(key string) int {
	name := key
	if _, tag, ok := strings.Cut(name, "{"); ok {
		if tag, _, ok = strings.Cut(tag, "}"); ok && tag != "" {
			name = tag
		}
	}
	return int(crc16(name) % slots)
}

// crc16 is CRC16 with the polynomial 1021 of XMODEM. It is asked for whole databases only, once a flush, so that it needs no table.
func crc16(s string) uint16 {
	var sum uint16
	for i := range len(s) {
		sum ^= uint16(s[i]) << 8
		for range 8 {
			carry := sum >> 15
			sum <<= 1
			sum ^= carry * 0x1021
		}
	}
	return sum
}

func parseSlot(arg []byte) (int, bool) {
	n, ok := parseInt(arg)
	return int(n), ok && n >= 0 && n < slots
}
