package observe

import (
	"math/bits"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// slowFsync is how long an fsync takes before it is worth a line: everysec then loses more than its name says.
	slowFsync = time.Second
	// slowSpell is how long no fsync may be slow before the disk counts as well again: one that is slow now and then must not
	// fill the log with both lines.
	slowSpell = time.Minute
)

// slowness tells slow fsyncs without filling the log: of a spell it tells the first, then the 2nd, 4th, 8th and so on, and its
// end. Safe for concurrent use.
type slowness struct {
	log *zap.Logger

	mu    sync.Mutex
	inRow int       // slow ones of this spell; 0: there is none
	last  time.Time // the latest slow one
	worst time.Duration
}

// synced takes down one fsync.
func (s *slowness) synced(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.inRow > 0 && now.Sub(s.last)-d > slowSpell {
		s.log.Info("fsync is no longer slow", zap.Int(keyInRow, s.inRow), zap.Duration(keyWorst, s.worst))
		s.inRow, s.worst = 0, 0
	}
	if d < slowFsync {
		return
	}
	s.inRow++
	s.last, s.worst = now, max(s.worst, d)
	if bits.OnesCount(uint(s.inRow)) == 1 {
		s.log.Warn("fsync is slow", took(d), zap.Int(keyInRow, s.inRow))
	}
}
