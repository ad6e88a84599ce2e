package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// loadConns is how many clients write at the same time.
	loadConns = 8
	// loadBatch is how many commands a client of the full load sends before it reads their answers.
	loadBatch = 16
	// loadRecorded is how many batches a client has; it begins again behind the last.
	loadRecorded = 2_000
	// loadScalars and loadCollections are the keys, as in a recorder.
	loadScalars, loadCollections = 100_000, 10_000
	// loadTick is how often a paced client sends what is due.
	loadTick = time.Millisecond
)

// batch is so many commands, encoded.
type batch struct {
	bytes    []byte
	commands int
}

// recordBatches records the writes of one client.
func recordBatches(client uint64, batches, commands int) []batch {
	r := newRecorder(100+client, 0)
	r.scalars, r.collections = loadScalars, loadCollections
	list := make([]batch, batches)
	for i := range list {
		r.out = nil
		for range commands {
			r.write()
		}
		list[i] = batch{bytes: r.out, commands: commands}
	}
	return list
}

// loaded is what clients saw.
type loaded struct {
	commands int
	took     time.Duration
	latency  []time.Duration // of each batch
}

// eachClient runs one client a connection, and puts together what they saw.
func eachClient(ctx context.Context, addr string, client func(ctx context.Context, n uint64, conn net.Conn) (loaded, error)) (loaded, error) {
	group, ctx := errgroup.WithContext(ctx)
	seen := make([]loaded, loadConns)
	begin := time.Now()
	for n := range seen {
		group.Go(func() error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err != nil {
				return fmt.Errorf("connect a client: %w", err)
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			defer func() { _ = conn.Close() }() // it may be closed already
			seen[n], err = client(ctx, uint64(n), conn)
			if cause := context.Cause(ctx); err != nil && cause != nil {
				return cause
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return loaded{}, err
	}
	all := loaded{took: time.Since(begin)}
	for _, s := range seen {
		all.commands += s.commands
		all.latency = append(all.latency, s.latency...)
	}
	return all, nil
}

// fullLoad has clients write so many batches each, as fast as they are answered.
func fullLoad(ctx context.Context, addr string, batches int) (loaded, error) {
	return eachClient(ctx, addr, func(_ context.Context, n uint64, conn net.Conn) (loaded, error) {
		var (
			list = recordBatches(n, min(batches, loadRecorded), loadBatch)
			in   = bufio.NewReader(conn)
			seen loaded
		)
		for i := range batches {
			next := list[i%len(list)]
			begin := time.Now()
			if _, err := conn.Write(next.bytes); err != nil {
				return seen, fmt.Errorf("write commands: %w", err)
			}
			if err := skipReplies(in, next.commands); err != nil {
				return seen, err
			}
			seen.latency = append(seen.latency, time.Since(begin))
			seen.commands += next.commands
		}
		return seen, nil
	})
}

// sentBatch is one that is not answered yet.
type sentBatch struct {
	at       time.Time
	commands int
}

// pacedLoad has clients write so many commands a second together, for so long. Nobody waits for an answer before the next command is sent, so that an upstream that hesitates
// is seen by all commands that were due meanwhile.
func pacedLoad(ctx context.Context, addr string, rate float64, length time.Duration) (loaded, error) {
	rate /= loadConns
	return eachClient(ctx, addr, func(ctx context.Context, n uint64, conn net.Conn) (loaded, error) {
		var (
			list = recordBatches(n, loadRecorded, 1)
			sent = make(chan sentBatch, int(rate*length.Seconds())+1)
			seen loaded
		)
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			defer close(sent)
			return sendPaced(ctx, conn, list, rate, length, sent)
		})
		group.Go(func() error {
			in := bufio.NewReader(conn)
			for s := range sent {
				if err := skipReplies(in, s.commands); err != nil {
					return err
				}
				seen.latency = append(seen.latency, time.Since(s.at))
				seen.commands += s.commands
			}
			return nil
		})
		return seen, group.Wait()
	})
}

// sendPaced writes what is due each loadTick, and says so before.
func sendPaced(ctx context.Context, conn net.Conn, list []batch, rate float64, length time.Duration, sent chan<- sentBatch) error {
	ticker := time.NewTicker(loadTick)
	defer ticker.Stop()
	begin, done := time.Now(), 0
	var out []byte
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		passed := time.Since(begin)
		due := int(min(passed, length).Seconds() * rate)
		out = out[:0]
		for i := done; i < due; i++ {
			out = append(out, list[i%len(list)].bytes...)
		}
		if due > done {
			sent <- sentBatch{at: time.Now(), commands: due - done}
			if _, err := conn.Write(out); err != nil {
				return fmt.Errorf("write commands: %w", err)
			}
			done = due
		}
		if passed >= length {
			return nil
		}
	}
}

// skipReplies reads so many answers to commands that change strings and collections: no arrays.
func skipReplies(in *bufio.Reader, count int) error {
	for range count {
		line, err := readReply(in)
		if err != nil {
			return err
		}
		if line[0] != '$' || line[1] == '-' {
			continue
		}
		length, err := strconv.Atoi(string(line[1:]))
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if _, err := in.Discard(length + len("\r\n")); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
	}
	return nil
}

// readReply returns the first line of an answer, which is no error. It holds until the next read.
func readReply(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(line) < len(":1\r\n") || line[0] == '-' {
		return nil, fmt.Errorf("a command was answered by %q", line)
	}
	return line[:len(line)-2], nil
}
