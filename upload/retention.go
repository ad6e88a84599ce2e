package upload

import (
	"errors"
	"time"
)

// Policy is retention.
type Policy struct {
	Duration time.Duration
	MinBases int
}

func (p *Policy) check() error {
	if p.Duration < 0 || p.MinBases < 1 {
		return errors.New("x")
	}
	return nil
}
