package aof

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

type fileInfo struct {
	name        string
	seq         int64
	kind        byte
	startOffset stream.Offset
	hasStart    bool
	timeline    string
	keys        int64
	hasKeys     bool
}
type manifest struct {
	base    *fileInfo
	incrs   []fileInfo
	history []fileInfo
}

func parseManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		f := strings.Fields(line)
		if len(f)%2 != 0 {
			return nil, errors.New("bad")
		}
		var fi fileInfo
		for i := 0; i < len(f); i += 2 {
			switch f[i] {
			case "file":
				fi.name = f[i+1]
			case "seq":
				fi.seq, _ = strconv.ParseInt(f[i+1], 10, 64)
			case "type":
				fi.kind = f[i+1][0]
			case "startoffset":
				n, _ := strconv.ParseInt(f[i+1], 10, 64)
				fi.startOffset = stream.Offset(n)
				fi.hasStart = true
			case "timeline":
				fi.timeline = f[i+1]
			case "keys":
				fi.keys, _ = strconv.ParseInt(f[i+1], 10, 64)
				fi.hasKeys = true
			}
		}
		switch fi.kind {
		case 'b':
			m.base = &fi
		case 'i':
			m.incrs = append(m.incrs, fi)
		case 'h':
			m.history = append(m.history, fi)
		}
	}
	return m, nil
}

func (m *manifest) format() []byte {
	var b strings.Builder
	w := func(f fileInfo) {
		fmt.Fprintf(&b, "file %s seq %d type %c", f.name, f.seq, f.kind)
		if f.hasStart {
			fmt.Fprintf(&b, " startoffset %d", f.startOffset)
		}
		if f.timeline != "" {
			fmt.Fprintf(&b, " timeline %s", f.timeline)
		}
		if f.hasKeys {
			fmt.Fprintf(&b, " keys %d", f.keys)
		}
		b.WriteString("\n")
	}
	if m.base != nil {
		w(*m.base)
	}
	for _, f := range m.history {
		w(f)
	}
	for _, f := range m.incrs {
		w(f)
	}
	return []byte(b.String())
}

func (m *manifest) clone() *manifest {
	c := *m
	if m.base != nil {
		b := *m.base
		c.base = &b
	}
	c.incrs = slices.Clone(m.incrs)
	c.history = slices.Clone(m.history)
	return &c
}

func (m *manifest) nextBaseSeq() int64 {
	if m.base == nil {
		return 1
	}
	return m.base.seq + 1
}

func (m *manifest) nextIncrSeq() int64 {
	if len(m.incrs) == 0 {
		return 1
	}
	return m.incrs[len(m.incrs)-1].seq + 1
}
