package aof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// Open takes the directory, finds out where its log stands, and opens it for writing. The directory is made if need be; before the upstream
// has answered no command in it changes: our own temporary names and what a crash left half removed go, the manifest is renewed,
// and what no mark proves durable may be written anew as it was.
//
// Errors: *HeldError, *NotOursError, *CorruptError; others are the disk's.
func Open(ctx context.Context, opt Options) (*Log, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{
		opt: opt, fs: opt.FS, at: opt.layout(),
		kick: make(chan struct{}, 1), dead: make(chan struct{}),
		ask: make(chan struct{}, 1), reconnect: make(chan struct{}, 1), tables: sync.OnceValue(keyspace.NewTable),
		tip: tip{whole: true}, spool: newSpool(), show: newShowcase(),
	}
	l.idle = sync.NewCond(&l.mu)
	if err := l.makeDir(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l.lock, err = l.fs.Lock(l.at.lockPath())
	if errors.Is(err, fsx.ErrLocked) {
		return nil, &HeldError{Dir: opt.Dir}
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	// A process that was killed may have made names here and not synced them.
	err = l.fs.SyncDir(opt.Dir)
	if err == nil {
		err = l.load(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.lock.Close())
	}
	return l, nil
}

// makeDir makes the log's directory durably, also where a process that was killed made it and did not sync its name: then the lock file,
// which comes next, is not there yet.
func (l *Log) makeDir() error {
	if err := fsx.MkdirAllDurable(l.fs, l.opt.Dir, dirMode); err != nil {
		return err
	}
	if _, err := l.fs.Stat(l.at.lockPath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l.newLock = true
	return fsx.SyncParents(l.fs, l.opt.Dir)
}

// load reads what the directory holds.
func (l *Log) load(ctx context.Context) error {
	state := l.readLockState()
	boot, err := l.thisBoot()
	if err != nil {
		call2(l.opt.Observer.Note, "the boot cannot be told from others: after any unclean stop only what marks prove is trusted", err.Error())
	}
	l.boot = boot
	man, text, err := readManifest(l.fs, l.at)
	if errors.Is(err, fs.ErrNotExist) {
		err := l.checkEmpty()
		l.publish()
		return err
	}
	if err != nil {
		return err
	}
	l.man, l.manText = man, text
	if err := l.tidy(); err != nil {
		return err
	}
	if err := l.probe(); err != nil {
		return err
	}
	if err := l.relist(); err != nil {
		return err
	}
	mem := state.memory(boot)
	if mem != whole {
		if err := l.syncFound(); err != nil {
			return err
		}
	}
	if err := l.recover(ctx, state.Timeline, mem); err != nil {
		return err
	}
	defer l.publish()
	if err := l.renewManifest(mem); err != nil {
		return err
	}
	if err := l.dropHistory(); err != nil {
		return err
	}
	return l.dropUnfinished()
}

// renewManifest makes the manifest that was read durable before what it does not name goes: a process that was killed may have renamed
// it and not synced its name, or met an fsync that failed and called the name clean. So it is written anew. One that was replaced since
// it was read stands: whoever did that removes what it no longer names. Where there is no space for that, and an fsync that failed may have been the directory's,
// nothing is promised or removed until there is.
func (l *Log) renewManifest(mem memory) error {
	data, err := readFile(l.fs, l.at.path(l.at.manifest()), maxManifest)
	if err != nil {
		return fmt.Errorf("read manifest again: %w", err)
	}
	if string(data) != l.manText {
		return &NotOursError{Dir: l.opt.Dir, What: "its manifest changed while it was opened: does a server run here?"}
	}
	err = l.replaceManifest(l.man)
	if !isNoSpace(err) {
		return err
	}
	if mem == lossy {
		l.unrenewed = true
		l.acks.hold(true)
	}
	return l.fs.SyncDir(l.at.aofDir())
}

// renewLater does what renewManifest found no space for.
func (l *Log) renewLater() error {
	if !l.unrenewed || l.failed != nil || l.closed {
		return l.failed
	}
	if l.replaceManifest(l.man) == nil { // else there is no space yet, or the log is latched
		l.noteHistory(l.dropHistory())
	}
	return l.failed
}

// lockState is the content of the lock file. It is only ever an optimisation: without it less is trusted.
type lockState struct {
	BootID   string `json:"boot_id"`          // thisBoot, in which everything in the log was written, or read back after a crash and settled
	Timeline string `json:"timeline"`         // should a server that was booted here have rewritten the manifest without it
	Failed   bool   `json:"failed,omitempty"` // an fsync failed in that boot, or may have: see forewarn
}

// thisBoot names the boot that runs and the lock file in it: the page cache that another boot had is gone, and a copy of the directory or a
// snapshot of its volume never had it.
func (l *Log) thisBoot() (string, error) {
	boot, err := l.fs.BootID()
	if err != nil {
		return "", err
	}
	info, err := l.lock.Stat()
	if err != nil {
		return "", err
	}
	return boot + " " + fsx.Identity(info), nil
}

// memory says what the page cache may hold that the disk does not.
type memory int

const (
	empty memory = iota // another boot: what can be read is on the disk
	whole               // the same boot: everything that was written can be read
	lossy               // the same boot, and an fsync failed: what can be read may be clean and not on the disk, so that no fsync writes it
)

// memory compares with the boot that runs.
func (s lockState) memory(boot string) memory {
	switch {
	case s.Failed && (s.BootID == "" || s.BootID == boot):
		return lossy
	case boot == "" || s.BootID != boot:
		return empty
	default:
		return whole
	}
}

// readLockState returns the zero value for a file that is new, and one that says nothing but the worst for one that is half written: a
// crash may have done that, or a latch on a full disk.
func (l *Log) readLockState() lockState {
	var (
		state lockState
		buf   [512]byte
	)
	if l.newLock {
		return lockState{}
	}
	n, err := l.lock.ReadAt(buf[:], 0)
	if (n == 0 && err != nil) || json.Unmarshal(buf[:n], &state) != nil {
		return lockState{Failed: true}
	}
	return state
}

// claim records that from now on, in this boot, the page cache holds all that the log wrote. It must not come before the upstream has
// answered: until then the file may hold a tail of another boot.
func (l *Log) claim() error {
	state := lockState{BootID: l.boot, Timeline: l.timeline}
	if l.claimed == state || l.unrenewed {
		return nil
	}
	if op, err := l.writeLockState(state); isNoSpace(err) {
		return nil
	} else if err != nil {
		return l.latch(op, l.at.lockPath(), err)
	}
	if err := l.lock.Sync(); err != nil {
		return l.latch("sync", l.at.lockPath(), err)
	}
	l.claimed, l.unclaimed = state, false
	return nil
}

// forewarn comes before the first write to the open increment in a boot that the lock file does not name yet: a process that is killed between that and
// claim may have met an fsync that failed, and the next one would take what it reads for what the disk had when the boot began.
func (l *Log) forewarn() error {
	if !l.unclaimed {
		return nil
	}
	if op, err := l.writeLockState(lockState{BootID: l.boot, Timeline: l.timeline, Failed: true}); err != nil && !isNoSpace(err) { // half of it says the same
		return l.latch(op, l.at.lockPath(), err)
	}
	l.unclaimed = false
	return nil
}

// disclaim takes back what claim says, for the next start in this boot: after a failed fsync the kernel calls pages clean that it did
// not write, so that they can be read and the next fsync succeeds without them. It does what it can on a disk that failed.
func (l *Log) disclaim() {
	if _, err := l.writeLockState(lockState{BootID: l.boot, Timeline: l.timeline, Failed: true}); err != nil {
		call2(l.opt.Observer.Note, "the lock file cannot be written: reboot before the next start, which else trusts what the disk may not have", err.Error())
	}
}

// writeLockState makes state the content of the lock file; op is what failed.
func (l *Log) writeLockState(state lockState) (op string, err error) {
	text, err := json.Marshal(state)
	if err != nil {
		return "encode", err
	}
	if err := l.lock.Truncate(0); err != nil {
		return "truncate", err
	}
	_, err = l.lock.WriteAt(append(text, '\n'), 0)
	return "write", err
}

// checkEmpty accepts a directory without a manifest if no server's data are in it.
func (l *Log) checkEmpty() error {
	for _, name := range []string{l.opt.FileName, "dump.rdb"} {
		if _, err := l.fs.Stat(filepath.Join(l.opt.Dir, name)); err == nil {
			return &NotOursError{Dir: l.opt.Dir, What: "it has " + name + " of a server"}
		}
	}
	entries, err := l.fs.ReadDir(l.at.aofDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", l.at.aofDir(), err)
	}
	unborn := l.isUnborn()
	for _, e := range entries {
		name := e.Name()
		ours := strings.HasPrefix(name, fsx.TempPrefix) || (unborn && (name == l.at.incrName(1) || name == l.at.baseName(1, true)))
		if !ours {
			return &NotOursError{Dir: l.opt.Dir, What: fmt.Sprintf("%s has %s and no manifest", l.opt.DirName, name)}
		}
	}
	if err := l.tidy(); err != nil {
		return err
	}
	return l.removeEmpty(l.at.aofDir())
}

// removeEmpty removes a directory of ours unless something is in it. Made again it is synced again: an fsync that failed may have
// lost its name and called it clean.
func (l *Log) removeEmpty(dir string) error {
	err := l.fs.Remove(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return fmt.Errorf("remove empty directory: %w", err)
}

// isUnborn reports whether the first increment is ours and holds nothing but its head: a crash came before the first manifest. Its name is
// synced before the base's, so that a base beside it is of the same snapshot; the next full resync replaces both.
func (l *Log) isUnborn() bool {
	path := l.at.path(l.at.incrName(1))
	f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	s := scan{path: path, size: endBytes}
	err = errors.Join(s.run(f), f.Close())
	return err == nil && s.syntax == nil && s.off == s.headLen
}

// dropUnfinished removes what a full resync retained before a crash kept it from taking place; with an archive what a rewrite retained before stays.
func (l *Log) dropUnfinished() error {
	if l.shelf(l.timeline) != nil {
		drop := l.removeRetained
		if l.opt.Archive {
			drop = l.removeDoubles
		}
		if err := drop(l.timeline); err != nil {
			return err
		}
	}
	if err := l.dropEmptyShelves(); err != nil {
		return err
	}
	return l.relist()
}

// dropEmptyShelves removes from retained/ the directories in which nothing is, and itself if nothing is left: a process that was killed, or met an fsync that failed, may have
// made them, and whoever makes them again syncs their names.
func (l *Log) dropEmptyShelves() error {
	entries, err := l.fs.ReadDir(l.at.retainedDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list retained chains: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		y := l.at.retained(e.Name())
		for _, dir := range []string{y.aofDir(), y.dir} {
			if err := l.removeEmpty(dir); err != nil {
				return err
			}
		}
	}
	return l.removeEmpty(l.at.retainedDir())
}

// probe makes a file and removes it: a directory that we cannot write to is found before the upstream forks for us.
func (l *Log) probe() error {
	path := l.at.path(fsx.TempPrefix + "probe")
	f, err := l.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if isNoSpace(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("probe the directory: %w", err)
	}
	return errors.Join(f.Close(), l.fs.Remove(path))
}

// tidy removes our temporary names.
func (l *Log) tidy() error {
	entries, err := l.fs.ReadDir(l.at.aofDir())
	if err != nil {
		return fmt.Errorf("read %s: %w", l.at.aofDir(), err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), fsx.TempPrefix) {
			continue
		}
		if err := l.fs.Remove(l.at.path(e.Name())); err != nil {
			return fmt.Errorf("remove temporary file: %w", err)
		}
	}
	return nil
}

// readManifest returns the manifest and its text, or fs.ErrNotExist where there is none.
func readManifest(fsys fsx.FS, y layout) (*manifest, string, error) {
	path := y.path(y.manifest())
	data, err := readFile(fsys, path, maxManifest)
	if err != nil {
		return nil, "", fmt.Errorf("read manifest: %w", err)
	}
	man, err := parseManifest(data)
	if err != nil {
		return nil, string(data), &CorruptError{Path: path, What: err.Error()}
	}
	return man, string(data), nil
}
