package aof

import (
	"fmt"
	"path/filepath"
)

// layout knows the names below the log's directory.
type layout struct {
	dir, dirName, fileName string
}

func (o Options) layout() layout {
	return layout{dir: o.Dir, dirName: o.DirName, fileName: o.FileName}
}

func (y layout) aofDir() string      { return filepath.Join(y.dir, y.dirName) }
func (y layout) lockPath() string    { return filepath.Join(y.dir, "aofsidecar.lock") }
func (y layout) retainedDir() string { return filepath.Join(y.dir, "retained") }
func (y layout) manifest() string    { return y.fileName + ".manifest" }

// retained returns the same layout inside the retained chain of a timeline, so that a stock server boots from it too.
func (y layout) retained(timeline string) layout {
	return layout{dir: filepath.Join(y.retainedDir(), timeline), dirName: y.dirName, fileName: y.fileName}
}

func (y layout) pinPath(timeline string) string {
	return filepath.Join(y.retainedDir(), timeline, "pinned.json")
}

// baseName is the name of a base that is an RDB, or commands only (aof.c:getNewBaseFileNameAndMarkPreAsHistory).
func (y layout) baseName(seq int64, isRDB bool) string {
	suffix := baseRDBSuffix
	if !isRDB {
		suffix = baseAOFSuffix
	}
	return fmt.Sprintf("%s.%d%s", y.fileName, seq, suffix)
}

func (y layout) incrName(seq int64) string {
	return fmt.Sprintf("%s.%d%s", y.fileName, seq, incrSuffix)
}

// path returns the full path of a name in the AOF directory.
func (y layout) path(name string) string { return filepath.Join(y.aofDir(), name) }
