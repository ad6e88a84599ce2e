package aof

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
)

// testRDB returns a small RDB of Redis 7.2 with so many string keys in db 0.
func testRDB(keys int) []byte {
	out := []byte("REDIS0011\xfe\x00")
	for i := range keys {
		key := fmt.Sprintf("base:%d", i)
		out = append(out, 0, byte(len(key)))
		out = append(out, key...)
		out = append(out, 1, 'v')
	}
	out = append(out, 0xff)
	crc := ^crc64.Update(^uint64(0), crc64.MakeTable(0x95ac9329ac4bc9b5), out)
	return binary.LittleEndian.AppendUint64(out, crc)
}
