package testenv

import (
	"fmt"
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

// render writes a RESP2 reply as text, less the fields that are local to a process.
func render(reply any) string {
	var b strings.Builder
	renderTo(&b, reply)
	return b.String()
}

func renderTo(b *strings.Builder, reply any) {
	list, ok := reply.([]any)
	if !ok {
		if text, ok := reply.(string); ok {
			fmt.Fprintf(b, "%q", text)
			return
		}
		fmt.Fprint(b, reply)
		return
	}
	b.WriteByte('[')
	for i := 0; i < len(list); i++ {
		if isLocal(list[i]) {
			i++
			continue
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "[") {
			b.WriteByte(' ')
		}
		renderTo(b, list[i])
	}
	b.WriteByte(']')
}
