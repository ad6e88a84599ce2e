package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/s3store"
)

const (
	segmentCount = 3600 // one a second, for an hour
	// segmentBytes is about how many there are in each.
	segmentBytes = 128 << 10
	// mergedBytes is what segments become when an increment closes.
	mergedBytes = 64 << 20

	piecesTimeline = "00000001-5ca1ab1e"
	// piecesBegin is when the stream begins, in Unix milliseconds: in 2026.
	piecesBegin = 1_790_000_000_000

	prefixSegments = "segments"
	prefixMerged   = "merged"
)

// pieces is one round: a restore of the same bytes in segments, and in merged objects.
type pieces struct {
	segments, merged int // objects
	apart, together  moved
}

// piecesAll stores an hour of one-second segments, and beside it the same bytes in merged objects, and restores both.
func (b *bench) piecesAll(ctx context.Context, v *vault, r *archiveReport) (err error) {
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	defer func() { err = errors.Join(err, v.empty()) }()
	plain, end, err := recordIncrement(b.scaled(segmentCount))
	if err != nil {
		return err
	}
	var p pieces
	if p.segments, err = storePieces(ctx, v, prefixSegments, plain, end, 1); err != nil {
		return err
	}
	if p.merged, err = storePieces(ctx, v, prefixMerged, plain, end, mergedBytes); err != nil {
		return err
	}
	for range b.rounds {
		if p.apart, err = b.restore(ctx, v, prefixSegments); err != nil {
			return err
		}
		if p.together, err = b.restore(ctx, v, prefixMerged); err != nil {
			return err
		}
		b.say("restore of %d segments: %.2f s, of %d merged objects: %.2f s",
			p.segments, p.apart.took.Seconds(), p.merged, p.together.took.Seconds())
		r.pieces = append(r.pieces, p)
	}
	return nil
}

// recordIncrement returns an increment of a second's bytes so many times, each with a mark behind it, and what holds at its end.
func recordIncrement(seconds int) ([]byte, stream.Mark, error) {
	id, err := stream.ParseReplID(upstreamID)
	if err != nil {
		return nil, stream.Mark{}, fmt.Errorf("name the history: %w", err)
	}
	at := stream.Mark{Position: stream.Position{ReplID: id, Offset: streamOrigin}, UnixMilli: piecesBegin, Durable: streamOrigin}
	out := at.AppendCommand(resp.AppendCommandStrings(nil, "SELECT", "0"))
	r := newRecorder(11, segmentBytes*2)
	r.dataOnly = true
	for range seconds {
		for r.out = r.out[:0]; len(r.out) < segmentBytes; {
			r.mixed(r.commands + 100)
		}
		at.Position.Offset += stream.Offset(len(r.out))
		at.Durable = at.Position.Offset
		at.UnixMilli += time.Second.Milliseconds()
		out = at.AppendCommand(append(out, r.out...))
	}
	return out, at, nil
}

// storePieces stores an empty base and the increment, cut at the first mark behind each maxBytes, as the sidecar would, and returns in how many objects.
func storePieces(ctx context.Context, v *vault, prefix string, plain []byte, end stream.Mark, maxBytes int64) (n int, err error) {
	store, err := s3store.Open(ctx, s3store.Options{
		Bucket: archiveBucket, Prefix: prefix, Region: s3gateway.Region, Endpoint: v.gateway.Endpoint(), PathStyle: true,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	sealer, err := upload.NewSealer(upload.SealOptions{})
	if err != nil {
		return 0, err
	}
	if err := storeHead(ctx, store, sealer); err != nil {
		return 0, err
	}
	file := stream.LogFile{Name: "increment", From: streamOrigin, To: end.Position.Offset, Closed: true, Bytes: int64(len(plain)), UnixMilli: piecesBegin}
	for cutter := upload.NewCutter(bytes.NewReader(plain), file); ; n++ {
		segment, ok, err := cutter.Next(ctx, file.Bytes, end, maxBytes, false)
		if err != nil || !ok {
			return n, err
		}
		sum := upload.NewSum()
		if _, err := io.Copy(sum, segment.Plain()); err != nil {
			return n, fmt.Errorf("read segment: %w", err)
		}
		key := segment.Key(piecesTimeline, 1, sum.String(), sealer)
		if err := storeSealed(ctx, store, sealer, key.String(), segment.Plain(), segment.Size()); err != nil {
			return n, err
		}
	}
}

// storeHead stores what the timeline begins with.
func storeHead(ctx context.Context, store upload.Store, sealer *upload.Sealer) error {
	record, err := json.Marshal(upload.TimelineRecord{Timeline: piecesTimeline, Epoch: 1})
	if err != nil {
		return fmt.Errorf("write timeline: %w", err)
	}
	if err := storeBytes(ctx, store, upload.TimelineKey(piecesTimeline), record); err != nil {
		return err
	}
	var base bytes.Buffer
	if _, _, err := writeSnapshot(&base, 0); err != nil {
		return err
	}
	sum := upload.NewSum()
	_, _ = sum.Write(base.Bytes()) // a hash takes all
	key := upload.BaseKey{Timeline: piecesTimeline, Offset: streamOrigin, UnixMilli: piecesBegin, Epoch: 1, Sum: sum.String(), Zstd: sealer.Zstd()}
	return storeSealed(ctx, store, sealer, key.String(), &base, int64(base.Len()))
}

func storeSealed(ctx context.Context, store upload.Store, sealer *upload.Sealer, key string, plain io.Reader, size int64) error {
	var sealed bytes.Buffer
	w, err := sealer.Seal(&sealed, size)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, plain)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("seal %s: %w", key, err)
	}
	return storeBytes(ctx, store, key, sealed.Bytes())
}

func storeBytes(ctx context.Context, store upload.Store, key string, content []byte) error {
	_, err := store.Put(ctx, key, upload.Body{
		Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(content))), nil },
	}, upload.Condition{})
	return err
}
