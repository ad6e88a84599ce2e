package upload

import (
	"maps"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// span is the range of an object.
type span struct{ from, to stream.Offset }

// chain is what the archive has of a timeline, as far as the shipping needs to know.
type chain struct {
	bases map[stream.Offset]bool
	whole map[span]bool // closed increments that are one object
	// Stored without a hole is what is behind since, up to and including end, which had been received at endMilli.
	since, end stream.Offset
	endMilli   int64
	began      bool // there is anything at all
	best       stream.Offset
	hasBest    bool
}

// shipped is the greatest offset ever for which there was a base and all behind it up to there. A base ahead of the segments does not count yet: who takes over
// before they are there goes on where they end, and leaves it out.
func (c *chain) shipped() (stream.Offset, bool) {
	for b := range c.bases {
		at := b
		switch {
		case b > c.end:
			continue
		case b >= c.since:
			at = c.end
		}
		if !c.hasBest || at > c.best {
			c.best, c.hasBest = at, true
		}
	}
	return c.best, c.hasBest
}

func (c *chain) copyBases() map[stream.Offset]bool { return maps.Clone(c.bases) }
