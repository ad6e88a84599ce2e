package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/upload"
)

func TestExitCodesAndHints(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{nil, 0, ""},
		{errors.New("x"), 1, ""},
		{&NotReadyError{Why: "not streaming"}, 1, ""},
		{&admin.NotRunningError{Path: "/s", Err: errors.New("x")}, 1, "control.socket"},
		{&UsageError{Err: errors.New("x"), Hint: "aofsidecar --help"}, 2, "aofsidecar --help"},
		{&aof.CorruptError{Path: "/p"}, 5, "fresh snapshot"},
		{&aof.HeldError{Dir: "/d"}, 7, "aof.dir"},
		{&aof.ForeignWriteError{Path: "/d/f"}, 7, "stop that server"},
		{&aof.NotOursError{Dir: "/d"}, 7, "aof.dir"},
		{&admin.InUseError{Path: "/s"}, 7, "control.socket"},
		{&admin.PlaceError{Path: "/s", Err: errors.New("x")}, 1, "control.socket"},
		{&NoArchiveError{URL: "s3://b"}, 3, "archive.url"},
		{upload.ErrNoBackup, 3, "aofsidecar list"},
		{upload.ErrTargetNotEmpty, 4, "--force"},
		{&upload.DamagedError{Key: "k"}, 5, "--deep"},
		{&upload.HoleError{}, 5, "--timestamp"},
		{&ArchiveBrokenError{Why: "w"}, 5, ""},
		{&InconclusiveError{Why: "w"}, 1, ""},
		{&upload.WindowError{}, 6, "aofsidecar list"},
		{&upload.GuardError{Timeline: "2-b", Before: "1-a"}, 6, "--timeline 1-a, or --timeline 2-b"},
		{upload.ErrHeld, 7, "stop the sidecar"},
		{&upload.EngineError{What: "w"}, 8, "--format aof"},
		{&upload.IdentityError{}, 1, "identity-file"},
		{&upload.StoreError{Op: "put", Err: upload.ErrUnconditional}, 2, "archive.lease.enabled"},
		{&upload.StoreError{Op: "list", Code: "AccessDenied", Err: errors.New("no")}, 1, "allow s3:ListBucket"},
		{&upload.StoreError{Op: "get", Code: "AccessDenied", Err: errors.New("no")}, 1, "allow s3:GetObject"},
		{&upload.StoreError{Op: "get", Code: "NoSuchBucket", Err: errors.New("no")}, 1, ""},
		{&aof.DiskError{Op: "sync", Path: "/p", Err: errors.New("EIO")}, 9, "dmesg"},
	} {
		wrapped := c.err
		if c.err != nil {
			wrapped = errors.Join(fmt.Errorf("open log: %w", c.err))
		}
		verdict := judge(wrapped)
		require.Equal(t, c.code, verdict.code, "%v", c.err)
		require.Contains(t, verdict.hint, c.hint)
	}
}

func TestPrintError(t *testing.T) {
	var out bytes.Buffer
	printError(&out, nil)
	printError(&out, &NotReadyError{Why: "said already"})
	require.Empty(t, out.String())
	printError(&out, errors.New("no luck"))
	require.Equal(t, "Error: no luck\n", out.String())
	out.Reset()
	printError(&out, &UsageError{Err: errors.New("what?"), Hint: "aofsidecar --help"})
	require.Equal(t, "Error: what?\nTry: aofsidecar --help\n", out.String())
}
