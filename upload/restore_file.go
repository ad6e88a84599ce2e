package upload

import (
	"fmt"
	"os"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// syncBytes is after how many bytes the disk is told to begin.
const syncBytes = 32 << 20

// stagedFile is written from its start. What has been written is synced now and then while more is written, so that the disk works all the time and the last
// sync is short. For one goroutine.
type stagedFile struct {
	fsx.File
	written int64 // since the last sync was begun
	syncing chan error
	err     error // of a sync: the bytes may be lost, and a later sync does not tell
}

// create makes a file in the staging folder.
func (t *target) create(name string) (*stagedFile, error) {
	f, err := t.fs.OpenFile(t.staging(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, restoredFile)
	if err != nil {
		return nil, fmt.Errorf("create staged file: %w", err)
	}
	return &stagedFile{File: f}, nil
}

// Write appends.
func (f *stagedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if f.written += int64(n); f.written >= syncBytes && f.err == nil {
		f.begin()
	}
	return n, err
}

// begin begins a sync, unless one runs.
func (f *stagedFile) begin() {
	select {
	case f.err = <-f.syncing:
	default:
		if f.syncing != nil {
			return
		}
	}
	f.written = 0
	done := make(chan error, 1)
	f.syncing = done
	go func() { done <- f.SyncData() }()
}

// join waits for a sync that runs.
func (f *stagedFile) join() error {
	if f.syncing != nil {
		if err := <-f.syncing; f.err == nil {
			f.err = err
		}
		f.syncing = nil
	}
	return f.err
}

// Sync makes all that was written durable.
func (f *stagedFile) Sync() error {
	if err := f.join(); err != nil {
		return err
	}
	return f.File.Sync()
}

// Close closes the file; what was not synced may be lost.
func (f *stagedFile) Close() error {
	err := f.join()
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}
