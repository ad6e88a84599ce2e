package upload

import (
	"fmt"
	"time"
)

// trustAfter is how long a wall clock must have gone as the steady one does before retention goes by it. A clock that jumped has that long to be put right: an archive in a directory has no other.
const trustAfter = time.Hour

// trust is how far the wall clock is to be believed, by how it went in this process. It holds no clock for wrong that was so from the start, or stays so. The zero value trusts nothing yet.
type trust struct{ since, last moment }

// look takes down what the clocks show, and returns an error where they disagree on how long ago the last look was: then the waiting begins anew.
func (c *trust) look(now moment) error {
	begins := c.last.steady.IsZero()
	passed, showed := now.steady.Sub(c.last.steady), now.wall.Sub(c.last.wall)
	c.last = now
	if begins {
		c.since = now
		return nil
	}
	step, way := showed-passed, "ahead"
	if step.Abs() <= time.Minute+passed/1000 {
		return nil
	}
	if step < 0 {
		way = "back"
	}
	c.since = now
	return fmt.Errorf("the clock of this machine jumped %v %s: retention removes nothing for %v, in which to put it right if it is wrong now", step.Abs().Round(time.Second), way, trustAfter)
}

// kept reports whether the clocks have agreed for long enough.
func (c *trust) kept() bool { return c.last.steady.Sub(c.since.steady) >= trustAfter }
