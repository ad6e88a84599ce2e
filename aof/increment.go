package aof

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

const (
	fileMode = 0o640
	dirMode  = 0o750
)

// increment is the open, last increment of the chain. Its fields are guarded by Log.mu; only f.SyncData runs outside.
type increment struct {
	f       fsx.File
	name    string
	path    string
	seq     int64
	headLen int64 // SELECT and mark at the start
	size    int64 // bytes in the file, as far as we wrote or found them
	synced  int64 // bytes that a successful sync covered
	opened  time.Time

	cuts    int  // truncations so far: a sync that began before one proves nothing about the bytes after it
	syncing bool // a sync runs outside the lock
	cut     bool // no sync has covered the last truncation: a power loss may bring back what it cut
}

// createIncrement makes a new increment that holds head, synced but not yet named by the manifest, nor its name synced.
func createIncrement(fs fsx.FS, y layout, seq int64, head []byte, now time.Time) (*increment, error) {
	inc := &increment{name: y.incrName(seq), seq: seq, headLen: int64(len(head)), opened: now}
	inc.path = y.path(inc.name)
	temp := fsx.TempName(inc.path)
	f, err := fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, fmt.Errorf("create increment: %w", err)
	}
	inc.f = f
	if err := inc.begin(fs, temp, head); err != nil {
		return nil, errors.Join(err, f.Close(), fs.Remove(temp))
	}
	return inc, nil
}

func (inc *increment) begin(fs fsx.FS, temp string, head []byte) error {
	op := "write"
	_, err := inc.f.WriteAt(head, 0)
	if err == nil {
		op, err = "sync", inc.f.Sync()
	}
	switch {
	case isNoSpace(err): // the file goes, and nothing is lost with it
		return fmt.Errorf("%s head of increment: %w", op, err)
	case err != nil:
		return &DiskError{Op: op + " head of increment", Path: inc.path, Err: err}
	}
	inc.size, inc.synced = inc.headLen, inc.headLen
	return fs.Rename(temp, inc.path)
}

// truncate cuts the file to size.
func (inc *increment) truncate(size int64) error {
	if err := inc.f.Truncate(size); err != nil {
		return &DiskError{Op: "truncate", Path: inc.path, Err: err}
	}
	inc.size = size
	inc.synced = min(inc.synced, size)
	inc.cuts++
	inc.cut = true
	return nil
}

// abandon closes and removes an increment that the manifest does not name.
func (inc *increment) abandon(fs fsx.FS) error {
	return errors.Join(inc.f.Close(), fs.Remove(inc.path))
}
