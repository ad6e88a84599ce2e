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
	mu    sync.Mutex
	count int // FACKs beyond those before
	ever  int64
	// holds is the furthest FACK that must be on the disk. It is ever, until the sidecar starts at a position before that and the upstream
	// answers +CONTINUE: the bytes behind the position come again, and take the place of those that are there.
	holds  int64
	claims []int64 // positions that it asked to go on from
}

// plan listens to every connection.
func (p *promises) plan(int) testenv.Plan {
	asked := int64(-1) // under p.mu: where a PSYNC that is not answered wants to go on
	var said, heard []byte
	toServer := func(chunk []byte) {
		said = append(said, chunk...)
		for {
			n, name := testenv.Command(said)
			if n == 0 {
				return
			}
			p.hear(name, strings.Fields(string(said[:n])), &asked)
			said = said[n:]
		}
	}
	toClient := func(chunk []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if asked < 0 {
			return
		}
		heard = append(heard, chunk...)
		line, _, whole := bytes.Cut(bytes.TrimLeft(heard, "\n"), []byte("\n"))
		if !whole {
			return
		}
		if bytes.HasPrefix(line, []byte("+CONTINUE")) {
			p.holds = min(p.holds, asked)
		}
		asked, heard = -1, nil
	}
	return testenv.Plan{ToServer: testenv.Link{Tap: toServer}, ToClient: testenv.Link{Tap: toClient}}
}

// hear takes a command as the lines that it is sent in: a count, and a length before each word.
func (p *promises) hear(name string, lines []string, asked *int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 4; i < len(lines); i += 2 {
		number, err := strconv.ParseInt(lines[i], 10, 64)
		switch {
		case err != nil:
		case name == "PSYNC" && i == 6 && number > 0:
			*asked = number - 1
			p.claims = append(p.claims, *asked)
		case name == "REPLCONF" && strings.EqualFold(lines[i-2], "FACK"):
			if number > p.ever {
				p.count++
			}
			p.ever, p.holds = max(p.ever, number), max(p.holds, number)
		}
	}
}

// heard is what promises have come to.
type heard struct {
	count       int
	ever, holds int64
	claims      []int64 // since the last call
}

func (p *promises) heard() heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := heard{count: p.count, ever: p.ever, holds: p.holds, claims: p.claims}
	p.claims = nil
	return h
}

// forget begins anew, with a sidecar that has nothing.
func (p *promises) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ever, p.holds, p.claims = 0, 0, nil
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
