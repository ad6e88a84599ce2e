package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// The names in a directory that is rewritten, as servers and the sidecar choose them by default.
const (
	appendDir    = "appendonlydir"
	manifestName = "appendonly.aof.manifest"
	oldBaseName  = "appendonly.aof.1.base.rdb"
	newBaseName  = "appendonly.aof.2.base.rdb"
	closedName   = "appendonly.aof.1.incr.aof"
	openName     = "appendonly.aof.2.incr.aof"

	oldManifest = "file " + oldBaseName + " seq 1 type b\nfile " + closedName + " seq 1 type i\nfile " + openName + " seq 2 type i\n"

	fileMode, dirMode = 0o600, 0o700
)

// inAppendDir returns the path of a file of dir's log.
func inAppendDir(dir, name string) string { return filepath.Join(dir, appendDir, name) }

// layOut writes a log below dir as the sidecar leaves one: a base, which writeBase writes, an increment that is closed, and the next one, in which
// nothing is yet. It returns the base's size.
func layOut(dir string, writeBase func(io.Writer) error, commands []byte) (base int64, err error) {
	if err := os.MkdirAll(filepath.Join(dir, appendDir), dirMode); err != nil {
		return 0, fmt.Errorf("make directory: %w", err)
	}
	f, err := os.OpenFile(inAppendDir(dir, oldBaseName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return 0, fmt.Errorf("create base: %w", err)
	}
	out := bufio.NewWriterSize(f, rdbChunk)
	if err := errors.Join(writeBase(out), out.Flush()); err != nil {
		return 0, errors.Join(fmt.Errorf("write base: %w", err), f.Close())
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("write base: %w", err)
	}
	end := len(commands)
	err = errors.Join(
		os.WriteFile(inAppendDir(dir, closedName), slices.Concat(increment(0), commands, increment(end)), fileMode),
		os.WriteFile(inAppendDir(dir, openName), increment(end), fileMode),
		os.WriteFile(inAppendDir(dir, manifestName), []byte(oldManifest), fileMode),
	)
	if err != nil {
		return 0, fmt.Errorf("write log: %w", err)
	}
	return info.Size(), nil
}

// increment returns what increments begin with behind so many bytes of the stream, and end with: a SELECT, and a mark that states the position
// (package aof).
func increment(behind int) []byte {
	offset := strconv.Itoa(streamOrigin + behind)
	out := resp.AppendCommandStrings(nil, "SELECT", "0")
	return resp.AppendCommandStrings(out, "PING", "#pos "+upstreamID+" "+offset+" "+strconv.FormatInt(time.Now().UnixMilli(), 10)+" "+offset)
}

// linked makes a directory with the same log as dir's, for one who replaces it: nobody writes into a file that was there.
func (b *bench) linked(dir string) (string, error) {
	other, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	err = os.Mkdir(filepath.Join(other, appendDir), dirMode)
	for _, name := range []string{oldBaseName, closedName, openName} {
		err = errors.Join(err, os.Link(inAppendDir(dir, name), inAppendDir(other, name)))
	}
	err = errors.Join(err, os.WriteFile(inAppendDir(other, manifestName), []byte(oldManifest), fileMode))
	if err != nil {
		return "", errors.Join(fmt.Errorf("link log: %w", err), os.RemoveAll(other))
	}
	return other, nil
}

// baseSize returns the size of the base that is the only one in dir, once it was rewritten.
func baseSize(dir string) (int64, error) {
	info, err := os.Stat(inAppendDir(dir, newBaseName))
	if err != nil {
		return 0, fmt.Errorf("find new base: %w", err)
	}
	return info.Size(), nil
}

// wantRoom returns an error unless dir's file system has so many bytes to spare.
func wantRoom(dir string, bytes int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < bytes {
		return fmt.Errorf("%s has %d MB free, and it takes %d", dir, free/megabyte, bytes/megabyte)
	}
	return nil
}
