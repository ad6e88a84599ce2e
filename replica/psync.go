package replica

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// maxOffset is what an upstream's offset may be so that all that it can ever send still has one: 4 EiB.
const maxOffset = 1 << 62

// answer is what the upstream decided on PSYNC.
type answer struct {
	// full says that a snapshot of position follows; otherwise the stream goes on where it was asked to.
	full bool
	// position is what the snapshot holds, or the position that was asked for, under the id that it has from now on.
	position stream.Position
}

// psync asks to go on after pos, or for a full resync if pos is zero, and waits for the decision in silence:
// whatever we send before +FULLRESYNC resets the clock by which the upstream decides to fork (protocol.md 1.4).
func psync(l *link, pos stream.Position) (answer, error) {
	id, next := "?", "-1"
	if !pos.IsZero() {
		id, next = pos.ReplID.String(), strconv.FormatInt(int64(pos.Offset)+1, 10)
	}
	if err := l.send("PSYNC", id, next); err != nil {
		return answer{}, err
	}
	reply, err := l.status("PSYNC")
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(reply, pos)
}

// parseAnswer reads the text after '+' (protocol.md 1.3).
func parseAnswer(reply string, asked stream.Position) (answer, error) {
	words := strings.Split(reply, " ")
	switch {
	case words[0] == "FULLRESYNC" && len(words) == 3:
		id, err := stream.ParseReplID(words[1])
		if err != nil {
			return answer{}, wrongAnswer(reply, err)
		}
		offset, err := strconv.ParseInt(words[2], 10, 64)
		if err == nil && (offset < 0 || offset > maxOffset) {
			err = strconv.ErrRange
		}
		if err != nil {
			return answer{}, wrongAnswer(reply, err)
		}
		return answer{full: true, position: stream.Position{ReplID: id, Offset: stream.Offset(offset)}}, nil
	case words[0] == "CONTINUE" && asked.IsZero():
		return answer{}, wrongAnswer(reply, fmt.Errorf("a full resync was asked for"))
	case words[0] == "CONTINUE" && len(words) == 1:
		return answer{position: asked}, nil
	case words[0] == "CONTINUE" && len(words) == 2:
		id, err := stream.ParseReplID(words[1])
		if err != nil {
			return answer{}, wrongAnswer(reply, err)
		}
		return answer{position: stream.Position{ReplID: id, Offset: asked.Offset}}, nil
	default: // RDBCHANNELSYNC and DUALCHANNELSYNC too: we never announced to understand them
		return answer{}, wrongAnswer(reply, nil)
	}
}

func wrongAnswer(reply string, err error) error {
	return &ProtocolError{What: fmt.Sprintf("want +FULLRESYNC or +CONTINUE, got %.128q", "+"+reply), Err: err}
}
