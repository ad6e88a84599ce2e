package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	// copyMode is the first argument that makes this program a bare copy.
	copyMode = "copy"
	// copyBytes is how much the bare copy reads at once.
	copyBytes = 1 << 20
)

// copyStream is the bare copy: it sends PSYNC, skips the snapshot, and writes what comes then to a file, synced as policy says, until
// the upstream half-closes the connection. It acknowledges the first and the last byte.
func copyStream(ctx context.Context, addr, path, policy string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing is owed
	in, err := askForStream(conn)
	if err != nil {
		return err
	}
	if err := acknowledge(conn, streamOrigin, 0); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create copy: %w", err)
	}
	err = copyAndAcknowledge(conn, in, out, policy)
	if err == nil {
		<-ctx.Done() // stay until we were measured, and are killed
	}
	return errors.Join(err, out.Close())
}

func copyAndAcknowledge(conn net.Conn, in io.Reader, out *os.File, policy string) error {
	n, err := copySynced(in, out, policy)
	if err != nil {
		return err
	}
	if err := acknowledge(conn, streamOrigin+n, 0); err != nil || policy == policyNo {
		return err
	}
	if err := syncData(out); err != nil {
		return err
	}
	return acknowledge(conn, streamOrigin+n, streamOrigin+n)
}

// askForStream sends PSYNC and reads up to the first byte of the stream.
func askForStream(conn net.Conn) (io.Reader, error) {
	if _, err := conn.Write(resp.AppendCommandStrings(nil, "PSYNC", "?", "-1")); err != nil {
		return nil, fmt.Errorf("send PSYNC: %w", err)
	}
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil {
		return nil, fmt.Errorf("read the answer to PSYNC: %w", err)
	}
	header, err := in.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read the snapshot's header: %w", err)
	}
	length, err := strconv.Atoi(strings.Trim(header, "$\r\n"))
	if err != nil {
		return nil, fmt.Errorf("read the snapshot's header: %w", err)
	}
	if _, err := in.Discard(length); err != nil {
		return nil, fmt.Errorf("read the snapshot: %w", err)
	}
	ahead, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	return io.MultiReader(strings.NewReader(string(ahead)), conn), nil
}

// copySynced copies until the end of in, with syncs as policy says, and returns how many bytes that were.
func copySynced(in io.Reader, out *os.File, policy string) (int64, error) {
	if policy != policyEverySec {
		return copyAll(in, out, policy == policyAlways)
	}
	var (
		syncing sync.WaitGroup
		stop    = make(chan struct{})
		syncErr error
	)
	syncing.Go(func() { syncErr = syncEverySecond(out, stop) })
	n, err := copyAll(in, out, false)
	close(stop)
	syncing.Wait()
	return n, errors.Join(err, syncErr)
}

func copyAll(in io.Reader, out *os.File, syncEach bool) (copied int64, err error) {
	buf := make([]byte, copyBytes)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return copied, fmt.Errorf("write copy: %w", err)
			}
			copied += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return copied, nil
		}
		if err != nil {
			return copied, fmt.Errorf("read the stream: %w", err)
		}
		if syncEach {
			if err := syncData(out); err != nil {
				return copied, err
			}
		}
	}
}

func syncEverySecond(out *os.File, stop <-chan struct{}) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-ticker.C:
			if err := syncData(out); err != nil {
				return err
			}
		}
	}
}

func syncData(f *os.File) error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return fmt.Errorf("sync copy: %w", err)
	}
	return nil
}

// acknowledge says what is in the file, and on stable storage if that is more than nothing.
func acknowledge(conn net.Conn, ack, fack int64) error {
	args := []string{"REPLCONF", "ACK", strconv.FormatInt(ack, 10)}
	if fack > 0 {
		args = append(args, "FACK", strconv.FormatInt(fack, 10))
	}
	if _, err := conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		return fmt.Errorf("send ACK: %w", err)
	}
	return nil
}
