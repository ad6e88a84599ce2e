package fsxtest

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Each operation on names goes the same way: look whether it can succeed, ask the FailOp hook, look again under the
// mutex and do it, pass the crash point.

// plan says how an operation on names would change them; nil for not at all.
type plan func() (*nameOp, error)

// changeNames runs one operation on names.
func (f *FS) changeNames(op Op, look plan) error {
	if err := f.dryRun(look); err != nil {
		return err
	}
	if op.Err = f.injected(op); op.Err == nil {
		op.Err = f.commit(op, look)
	}
	f.point(op)
	return op.Err
}

func (f *FS) dryRun(look plan) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := look()
	return err
}

func (f *FS) commit(op Op, look plan) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	change, err := look()
	if err != nil || change == nil {
		return err
	}
	change.seq, change.text = f.nextSeq(), op.String()
	replaced := make([]*node, 0, len(change.changes))
	for _, c := range change.changes {
		replaced = append(replaced, c.node())
	}
	f.log.do(change)
	for _, n := range replaced {
		f.reclaim(n)
	}
	return nil
}

// reclaim returns the space of a file that has no name and is not open. Its durable content stays for crashes.
func (f *FS) reclaim(n *node) {
	if n != nil && n.links == 0 && n.opens == 0 {
		f.used -= n.now.allocated()
		n.now = newContent()
	}
}

// MkdirAll makes name and its parents, one operation each; see [fsx.FS].
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	at := rootPath
	for part := range strings.SplitSeq(clean(name), "/") {
		at = path.Join(at, part)
		if err := f.mkdir(at, perm); err != nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: err}
		}
	}
	return nil
}

func (f *FS) mkdir(dir string, perm fs.FileMode) error {
	f.mu.Lock()
	n, err := f.lookup(dir)
	f.mu.Unlock()
	switch {
	case err == nil && n.isDir():
		return nil
	case err == nil:
		return syscall.ENOTDIR
	}
	made := f.newNode(fs.ModeDir | perm.Perm())
	return f.changeNames(Op{Kind: Mkdir, Path: dir}, func() (*nameOp, error) {
		key, err := f.locate(dir)
		if err != nil {
			return nil, err
		}
		if n := key.node(); n != nil {
			return nil, nil
		}
		return &nameOp{changes: []change{{nameKey: key, to: made}}}, nil
	})
}

// Rename renames a file or a directory; see [fsx.FS]. As os.Rename, it does not replace a directory. Two names of one file
// stay both, as POSIX wants it.
func (f *FS) Rename(oldname, newname string) error {
	op := Op{Kind: Rename, Path: clean(oldname), NewPath: clean(newname)}
	err := f.changeNames(op, func() (*nameOp, error) { return f.planRename(oldname, newname) })
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (f *FS) planRename(oldname, newname string) (*nameOp, error) {
	from, err := f.locate(oldname)
	if err != nil {
		return nil, err
	}
	to, err := f.locate(newname)
	if err != nil {
		return nil, err
	}
	moved, replaced := from.node(), to.node()
	switch {
	case moved == nil:
		return nil, syscall.ENOENT
	case replaced == moved && !moved.isDir():
		return nil, nil
	case replaced != nil && replaced.isDir():
		return nil, syscall.EEXIST
	case moved.isDir() && strings.HasPrefix(clean(newname), clean(oldname)+"/"):
		return nil, syscall.EINVAL
	case moved.isDir() && replaced != nil:
		return nil, syscall.ENOTDIR
	}
	return &nameOp{changes: []change{{nameKey: from}, {nameKey: to, to: moved}}}, nil
}

// Link makes a hard link; see [fsx.FS].
func (f *FS) Link(oldname, newname string) error {
	op := Op{Kind: Link, Path: clean(oldname), NewPath: clean(newname)}
	err := f.changeNames(op, func() (*nameOp, error) {
		n, err := f.lookup(oldname)
		if err != nil {
			return nil, err
		}
		to, err := f.locate(newname)
		switch {
		case err != nil:
			return nil, err
		case to.node() != nil:
			return nil, syscall.EEXIST
		case n.isDir():
			return nil, syscall.EPERM
		}
		return &nameOp{changes: []change{{nameKey: to, to: n}}}, nil
	})
	if err != nil {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// Remove unlinks a file or an empty directory; see [fsx.FS].
func (f *FS) Remove(name string) error {
	err := f.changeNames(Op{Kind: Remove, Path: clean(name)}, func() (*nameOp, error) {
		key, err := f.locate(name)
		if err != nil {
			return nil, err
		}
		op := &nameOp{changes: []change{{nameKey: key}}}
		switch n := key.node(); {
		case n == nil:
			return nil, syscall.ENOENT
		case n.isDir() && len(n.names) > 0:
			return nil, syscall.ENOTEMPTY
		case n.isDir():
			op.emptied = n
		}
		return op, nil
	})
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// SyncDir makes the names in name durable; see [fsx.FS]. A sync that fails leaves any of them behind, as
// a crash would, and forgets the rest.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	dir, err := f.lookup(name)
	seq := f.lastSeq
	f.mu.Unlock()
	if err == nil && !dir.isDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	op := Op{Kind: SyncDir, Path: clean(name)}
	f.hold(op)
	if err := f.injected(op); err != nil {
		op.Err = &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	f.mu.Lock()
	taken := f.log.takeSynced(dir, seq)
	taken.settle(func(int, int) bool { return op.Err == nil || f.rng.IntN(2) == 0 })
	f.mu.Unlock()
	f.point(op)
	return op.Err
}
