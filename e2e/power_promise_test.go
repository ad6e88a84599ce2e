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
	mu      sync.Mutex
	count   int   // FACKs with an offset beyond those before
	durable int64 // the furthest FACK of all; 0 before the first
	claims  []int64
}

// plan listens to every connection.
func (p *promises) plan(int) testenv.Plan {
	var pending []byte
	tap := func(chunk []byte) {
		pending = append(pending, chunk...)
		for {
			n, name := testenv.Command(pending)
			if n == 0 {
				return
			}
			p.hear(name, strings.Fields(string(pending[:n])))
			pending = pending[n:]
		}
	}
	return testenv.Plan{ToServer: testenv.Link{Tap: tap}}
}

// hear takes a command as the lines that it is sent in: a count, and a length before each word.
func (p *promises) hear(name string, lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 4; i < len(lines); i += 2 {
		number, err := strconv.ParseInt(lines[i], 10, 64)
		switch {
		case err != nil:
		case name == "PSYNC" && i == 6 && number > 0:
			p.claims = append(p.claims, number-1)
		case name == "REPLCONF" && strings.EqualFold(lines[i-2], "FACK") && number > p.durable:
			p.count++
			p.durable = number
		}
	}
}

// heard returns the furthest FACK, how many there were, and takes the positions that the sidecar asked to go on from since the last call.
func (p *promises) heard() (durable int64, count int, claims []int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	claims, p.claims = p.claims, nil
	return p.durable, p.count, claims
}

// forget begins anew, with a sidecar that has nothing.
func (p *promises) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.durable, p.claims = 0, nil
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
