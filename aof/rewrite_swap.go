package aof

import (
	"context"
	"errors"
	"fmt"

	"github.com/aofsidecar/aofsidecar/aof/fold"
)

// keyServer is a key of a base's line in the manifest, and ours: the version of the server that wrote the first base of the timeline. An RDB says
// that itself.
const keyServer = "server"

// announce has the manifest list the new base's name as history before there is such a file: a crash from here to the swap leaves nothing
// behind that the next start does not remove.
func (l *Log) announce(ctx context.Context, in *rewriteInput) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wanted(ctx, in); err != nil {
		return err
	}
	seq := l.man.nextBaseSeq()
	in.newBase = fileInfo{
		name: l.at.baseName(seq, !l.opt.Rewrite.NoPreamble), seq: seq, kind: kindBase, timeline: l.timeline, extra: l.man.base.clone().extra,
	}
	in.newBase.setExtra(keyServer, "")
	if l.opt.Rewrite.NoPreamble {
		in.newBase.setExtra(keyServer, in.server)
	}
	man := l.man.clone()
	man.history = append(man.history, fileInfo{name: in.newBase.name, seq: seq, kind: kindHistory})
	if err := l.replaceManifest(man); err != nil {
		return fmt.Errorf("announce new base: %w", err)
	}
	return nil
}

// wanted returns why what was folded is no longer wanted.
func (l *Log) wanted(ctx context.Context, in *rewriteInput) error {
	if err := l.still(in); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// swapBase makes the synced file temp the base, in the place of what was folded into it.
func (l *Log) swapBase(ctx context.Context, in *rewriteInput, temp string, res fold.Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.wanted(ctx, in); err != nil {
		return err
	}
	if err := l.fs.Rename(temp, l.at.path(in.newBase.name)); err != nil {
		return fmt.Errorf("name the new base: %w", err)
	}
	if err := l.fs.SyncDir(l.at.aofDir()); err != nil {
		return l.latch("sync directory", l.at.aofDir(), err)
	}
	base := in.newBase.clone()
	if res.CarriedBytes == 0 {
		base.keys, base.hasKeys = res.Keys, true
	}
	if err := l.retainFolded(in); err != nil {
		return fmt.Errorf("retain what was folded: %w", err)
	}
	man := l.man.clone()
	man.base, man.incrs = &base, man.incrs[len(in.infos):]
	man.history = l.historyWithout(base.name)
	for _, old := range append([]fileInfo{*l.man.base}, in.infos...) {
		man.history = append(man.history, fileInfo{name: old.name, seq: old.seq, kind: kindHistory})
	}
	if err := l.replaceManifest(man); err != nil {
		if l.failed == nil { // it goes with the history
			l.noteHistory(errors.Join(l.dropHistory(), l.removeDoubles(l.timeline)))
		}
		return fmt.Errorf("swap base: %w", err)
	}
	l.baseBytes = res.Bytes
	l.closedBytes -= in.incrBytes()
	l.rewrites.setBase(in.head.UnixMilli)
	l.noteHistory(l.relist())
	l.publish()
	return nil
}

// historyWithout returns what the manifest lists as history, but for one name.
func (l *Log) historyWithout(name string) []fileInfo {
	var list []fileInfo
	for _, h := range l.man.history {
		if h.name != name {
			list = append(list, h)
		}
	}
	return list
}

// dropFolded removes what a rewrite replaced, and the chains of timelines before: without an archive nothing needs them any more, unless they are
// pinned. What cannot be removed now is no reason to undo it: the next start or the next rewrite tries again.
func (l *Log) dropFolded() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.noteHistory(l.dropHistory())
	if l.failed == nil {
		l.noteHistory(l.dropRetained(""))
	}
	return l.failed
}

// noteHistory says what could not be removed.
func (l *Log) noteHistory(err error) {
	if err != nil && l.failed == nil {
		call2(l.opt.Observer.Note, "what a rewrite replaced cannot be removed", err.Error())
	}
}
