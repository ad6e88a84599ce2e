package testenv

import (
	"fmt"
	"strconv"
	"strings"
)

// asPairs reads a RESP2 reply that stands for a map: name, value, name, value.
func asPairs(reply any) map[string]any {
	list, _ := reply.([]any)
	pairs := make(map[string]any, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		pairs[fmt.Sprint(list[i])] = list[i+1]
	}
	return pairs
}

// isLocal reports whether a field of XINFO STREAM describes this process and not the data.
func isLocal(field any) bool {
	switch field {
	case "radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time":
		return true
	}
	return false
}

// isReadCount reports whether a field of XINFO STREAM counts what a group has read.
func isReadCount(field any) bool { return field == "entries-read" || field == "lag" }

// renderer writes a RESP2 reply as text, less the fields that are local to a process.
type renderer struct {
	strings.Builder

	ignoreIdle  bool // leave out consumers without pending entries
	ignoreReads bool // leave out how far groups have read
}

func (r *renderer) write(reply any) {
	switch reply := reply.(type) {
	case []any:
		r.writeList(reply)
	case string:
		r.WriteString(strconv.Quote(reply))
	default:
		_, _ = fmt.Fprint(r, reply) // a Builder does not fail
	}
}

func (r *renderer) writeList(list []any) {
	r.WriteByte('[')
	first := true
	for i := 0; i < len(list); i++ {
		if isLocal(list[i]) || r.ignoreReads && isReadCount(list[i]) {
			i++ // and its value
			continue
		}
		if r.ignoreIdle && isIdleConsumer(list[i]) {
			continue
		}
		if !first {
			r.WriteByte(' ')
		}
		first = false
		r.write(list[i])
	}
	r.WriteByte(']')
}

// isIdleConsumer recognises a consumer of XINFO STREAM FULL that has nothing pending; groups have a name and
// a pel-count too.
func isIdleConsumer(reply any) bool {
	pairs := asPairs(reply)
	_, isGroup := pairs["last-delivered-id"]
	return !isGroup && pairs["name"] != nil && pairs["pel-count"] == int64(0)
}
