package aof

import (
	"errors"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// DiskLimit is how much disk the log may take: chain and retained/, without what is being written anew. The zero value is no limit; of two the
// lower one counts.
type DiskLimit struct {
	Bytes int64
	Share float64 // of the file system's size, 0.8 for 80 %
}

func (d DiskLimit) check() error {
	if d.Bytes < 0 || d.Share < 0 || d.Share > 1 {
		return errors.New("the limit of the disk must not be negative, nor a share of more than the whole")
	}
	return nil
}

// worthRewriting is what part of the base the increments must be for a rewrite to be asked for because of the limit: else a limit that the base alone reaches
// would have one follow the other.
const worthRewriting = 8

// diskLimit returns the limit in bytes; 0: none.
func (l *Log) diskLimit() int64 {
	limit := l.opt.MaxDisk.Bytes
	if share := l.opt.MaxDisk.Share; share > 0 {
		if space, err := l.fs.Space(l.at.dir); err == nil {
			if n := max(1, int64(share*float64(space.Total))); limit == 0 || n < limit {
				limit = n
			}
		}
	}
	return limit
}

// diskUsed is what chain and retained/ take.
func (l *Log) diskUsed() int64 {
	n := l.size()
	for _, sh := range l.shelves {
		n += sh.Bytes
	}
	return n
}

// limitDisk keeps to MaxDisk, called with mu held. What the manifest names and what is pinned never goes. Where a rewrite makes room it is asked for
// first; then the oldest files that wait for the archive go.
func (l *Log) limitDisk() error {
	if !l.opt.Archive || l.opt.MaxDisk == (DiskLimit{}) || l.inc == nil {
		return nil
	}
	if l.full {
		return l.makeRoom()
	}
	limit := l.diskLimit()
	over := l.diskUsed() - limit
	if limit == 0 || over <= 0 {
		l.spool.asked = false
		return nil
	}
	if l.folds(over) { // its end wakes Run
		return nil
	}
	return l.noteSpool("the disk is over its limit, and what waits for the archive cannot be removed", l.giveUp(limit))
}

// makeRoom removes the oldest file that waits for the archive while the stream waits for space: others may fill the disk, too, and have done so before the limit
// was reached. There is no space to fold in.
func (l *Log) makeRoom() error {
	return l.noteSpool("the disk is full, and what waits for the archive cannot be removed", l.giveUp(l.diskUsed()-1))
}

// folds reports whether a rewrite is to make room, asks for it, or waits for its end. It helps where the archive has what the chain's increments hold, or where
// without it too little may go.
func (l *Log) folds(over int64) bool {
	r := &l.rewrites
	enough := l.droppable() >= over
	if r.held == 0 && (r.run != nil || r.asked != "") {
		return !enough
	}
	tried := l.spool.asked && r.lastErr != nil
	l.spool.asked = false
	increments := l.closedBytes + l.inc.size
	if tried || r.held > 0 || l.opt.Now().Before(r.next) || !l.grown() || increments < l.baseBytes/worthRewriting {
		return false
	}
	frees := int64(0)
	if shipped := l.show.shippedTo(l.timeline); shipped >= l.ready.offset {
		frees = increments
	}
	if frees < over && enough {
		return false
	}
	r.asked, l.spool.asked = reasonMaxDisk, true
	select {
	case l.ask <- struct{}{}:
	default:
	}
	return true
}

// droppable is what giveUp could remove.
func (l *Log) droppable() (n int64) {
	for _, sh := range l.shelves {
		if sh.Guard == nil {
			for _, k := range sh.files() {
				n += k.Bytes
			}
		}
	}
	return n
}

// giveUp removes the oldest files of retained/ until the log is within its limit.
func (l *Log) giveUp(limit int64) error {
	if l.droppable() == 0 {
		return nil
	}
	err := errors.Join(l.giveUpFrom(l.diskUsed()-limit), l.relist())
	l.publish()
	if err == nil {
		l.wakeTend() // for folders that are empty now
	}
	return err
}

func (l *Log) giveUpFrom(over int64) error {
	for _, sh := range l.shelves {
		if sh.Guard != nil {
			continue
		}
		for _, k := range sh.files() {
			if over <= 0 {
				return nil
			}
			if err := l.giveUpOne(sh, k); err != nil {
				return err
			}
			over -= k.Bytes
		}
	}
	return nil
}

// giveUpOne removes a file that waits for the archive, durably. The chain that it is of is no longer one, and says so first.
func (l *Log) giveUpOne(sh *shelf, k *kept) error {
	if sh.Bootable {
		if err := l.endChain(sh.Timeline); err != nil {
			return err
		}
		sh.Bootable = false
	}
	if err := l.removeKept(k); err != nil {
		return err
	}
	if !k.isIncr() {
		return nil
	}
	lost := stream.Range{From: k.From, To: k.To}
	l.spool.lose(sh.Timeline, lost)
	if l.opt.Observer.Lost != nil {
		l.opt.Observer.Lost(sh.Timeline, lost)
	}
	return nil
}

// lose notes what was given up; what touches is one range.
func (s *spool) lose(timeline string, r stream.Range) {
	list := s.lost[timeline]
	if n := len(list); n > 0 && list[n-1].To == r.From {
		list[n-1].To = r.To
		return
	}
	s.lost[timeline] = append(list, r)
}
