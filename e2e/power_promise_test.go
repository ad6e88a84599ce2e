package e2e_test

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// promises is what a sidecar has told its upstream, read from the wire on the way there.
type promises struct {
	mu     sync.Mutex
	count  int     // FACKs beyond those before
	ever   int64   // the furthest
	claims []int64 // positions that it asked to go on from; claimedNone where it asked for all
}

// claimedNone is where a sidecar that has nothing asks to go on from.
const claimedNone = -1

// plan listens to every connection.
func (p *promises) plan(int) testenv.Plan {
	var said []byte
	return testenv.Plan{ToServer: testenv.Link{Tap: func(chunk []byte) {
		said = append(said, chunk...)
		for {
			n, name := testenv.Command(said)
			if n == 0 {
				return
			}
			p.hear(name, strings.Fields(string(said[:n])))
			said = said[n:]
		}
	}}}
}

// hear takes a command as the lines that it is sent in: a count, and a length before each word.
func (p *promises) hear(name string, lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 4; i < len(lines); i += 2 {
		number, err := strconv.ParseInt(lines[i], 10, 64)
		switch {
		case err != nil:
		case name == "PSYNC" && i == 6:
			p.claims = append(p.claims, max(number-1, claimedNone))
		case name == "REPLCONF" && strings.EqualFold(lines[i-2], "FACK"):
			if number > p.ever {
				p.count++
			}
			p.ever = max(p.ever, number)
		}
	}
}

// heard is what promises have come to.
type heard struct {
	count  int
	ever   int64
	claims []int64 // since the last call
}

func (p *promises) heard() heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := heard{count: p.count, ever: p.ever, claims: p.claims}
	p.claims = nil
	return h
}

// forget begins anew, with a sidecar that has nothing.
func (p *promises) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ever, p.claims = 0, nil
}

// leftOut are the commands that count in the offset and are not in the file (docs/formats.md).
func leftOut(name string, command []byte) bool {
	switch name {
	case "PING", "REPLCONF", "PUBLISH", "SPUBLISH":
		return true
	case "CLUSTER":
		return !bytes.Contains(bytes.ToUpper(command), []byte("FLUSHSLOT"))
	}
	return false
}
