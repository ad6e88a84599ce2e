package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/filestore"
)

// archiveStart is when the first command of a test's archive had been received.
const archiveStart = 1_795_000_000_000

// fillArchive ships a timeline whose stream begins at offset 100 of a history and has these commands, one a second.
func fillArchive(ctx context.Context, dir, history string, start int64, recipients []string, commands [][]string) (err error) {
	work, err := os.MkdirTemp("", "fill")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	id, err := stream.ParseReplID(strings.Repeat(history, 40/len(history)))
	if err != nil {
		return err
	}
	var now atomic.Int64
	now.Store(start)
	log, err := aof.Open(ctx, aof.Options{
		Dir: work, Archive: true, Fsync: aof.FsyncAlways, Now: func() time.Time { return time.UnixMilli(now.Load()) },
	})
	if err != nil {
		return err
	}
	syncing, stop := context.WithCancel(ctx)
	synced := make(chan error, 1)
	go func() { synced <- log.Run(syncing) }()
	_, err = log.FullResync(ctx, stream.Snapshot{Position: stream.Position{ReplID: id, Offset: 100}, Bytes: int64(len(emptyRDB))}, strings.NewReader(emptyRDB))
	for i, args := range commands {
		if err != nil {
			break
		}
		data := resp.AppendCommandStrings(nil, args...)
		now.Store(start + int64(i)*1000)
		err = log.Append(ctx, &stream.Run{Data: data, Boundary: int64(len(data)), Whole: true, UnixMilli: now.Load()})
		for moved := log.Moved(); err == nil; moved = log.Moved() { // so that a mark follows
			if durable, _ := log.Durable(); durable == log.Received() {
				break
			}
			<-moved
		}
	}
	stop()
	if err = errors.Join(err, <-synced, log.Close()); err != nil {
		return err
	}
	return shipAll(ctx, log, dir, recipients)
}

func shipAll(ctx context.Context, log *aof.Log, dir string, recipients []string) error {
	store, err := filestore.Create(dir)
	if err != nil {
		return err
	}
	config := DefaultConfig().Archive
	config.Encryption.Recipients = recipients
	options, err := shipOptions(config)
	if err != nil {
		return err
	}
	options.Interval, options.SegmentBytes = time.Millisecond, 1
	uploader, err := upload.New(options, log, store)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- uploader.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); ; {
		moved := uploader.Moved()
		if shipped, ok := uploader.Shipped(); ok && shipped == log.Received() {
			break
		}
		select {
		case <-moved:
		case err := <-ended:
			return err
		case <-time.After(time.Until(deadline)):
			return fmt.Errorf("not shipped: %+v", uploader.State())
		}
	}
	return errors.Join(uploader.Drain(ctx), <-ended)
}

// mkarchive <dir> <history> [recipient=age1...] [start=unix-ms] <command> [; <command>]... adds a timeline to an archive.
func mkarchive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: mkarchive dir history command [; command]...")
	}
	dir, history, words := ts.MkAbs(args[0]), args[1], args[2:]
	var recipients []string
	if recipient, ok := strings.CutPrefix(words[0], "recipient="); ok {
		recipients, words = []string{recipient}, words[1:]
	}
	start := int64(archiveStart)
	if at, ok := strings.CutPrefix(words[0], "start="); ok {
		_, err := fmt.Sscan(at, &start)
		ts.Check(err)
		words = words[1:]
	}
	commands := [][]string{nil}
	for _, word := range words {
		if word == ";" {
			commands = append(commands, nil)
			continue
		}
		commands[len(commands)-1] = append(commands[len(commands)-1], word)
	}
	ts.Check(fillArchive(context.Background(), dir, history, start, recipients, commands))
}

// timeline <dir> <n> [<variable>] puts the name of the n-th timeline into a variable, TIMELINE by default.
func timelineOf(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "timelines", "*"))
	ts.Check(err)
	slices.Sort(found)
	var n int
	_, err = fmt.Sscan(args[1], &n)
	ts.Check(err)
	name := "TIMELINE"
	if len(args) > 2 {
		name = args[2]
	}
	if n > len(found) {
		ts.Fatalf("there are %d timelines", len(found))
	}
	ts.Setenv(name, filepath.Base(found[n-1]))
}

// agekeys <variable> <file> makes a key: the public one goes into the variable, the secret one into the file.
func ageKeys(ts *testscript.TestScript, _ bool, args []string) {
	identity, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Setenv(args[0], identity.Recipient().String())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(identity.String()+"\n"), 0o600))
}

// spoil <remove|flip|cut> <glob> does that to each file.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("nothing is at %s", args[1])
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		ts.Check(err)
		switch args[0] {
		case "remove":
			ts.Check(os.Remove(path))
		case "flip":
			text[len(text)/2] ^= 1
			ts.Check(os.WriteFile(path, text, 0o600))
		case "cut":
			ts.Check(os.Truncate(path, int64(len(text)-1)))
		}
	}
}

// TestSplitObjectURL holds that an object's URL is cut where the archive's ends.
func TestSplitObjectURL(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", ""},
		{"s3://b", "s3://b", ""},
		{"s3://b/p/timelines/1-a/base/x", "s3://b/p", "timelines/1-a/base/x"},
		{"file:///a/timelines/1-a/incr/x", "file:///a", "timelines/1-a/incr/x"},
	} {
		root, key := splitObjectURL(c[0])
		require.Equal(t, c[1], root)
		require.Equal(t, c[2], key)
	}
}

// TestCoverAll holds that what is printed of a timeline covers it once, with the fewest objects.
func TestCoverAll(t *testing.T) {
	segment := func(from, to stream.Offset) upload.ArchivedSegment {
		return upload.ArchivedSegment{SegmentKey: upload.SegmentKey{From: from, To: to}}
	}
	for _, c := range []struct{ in, want []upload.ArchivedSegment }{
		{},
		{[]upload.ArchivedSegment{segment(1, 1)}, []upload.ArchivedSegment{segment(1, 1)}},
		{
			[]upload.ArchivedSegment{segment(0, 5), segment(0, 20), segment(5, 9), segment(9, 20), segment(20, 20), segment(20, 30)},
			[]upload.ArchivedSegment{segment(0, 20), segment(20, 30)},
		},
		{
			[]upload.ArchivedSegment{segment(0, 5), segment(8, 9), segment(8, 12)},
			[]upload.ArchivedSegment{segment(0, 5), segment(8, 12)},
		},
	} {
		require.Equal(t, c.want, coverAll(c.in))
	}
}
