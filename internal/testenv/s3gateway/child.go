package s3gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// childEnv tells the process that it is the server, and where its objects are; childListen where it listens; childMeta where it keeps what it knows of them, "" for
// extended attributes.
const (
	childEnv    = "AOFSIDECAR_TEST_S3_DIR"
	childListen = "AOFSIDECAR_TEST_S3_ADDR"
	childMeta   = "AOFSIDECAR_TEST_S3_META"
)

// readyFD is the first of exec.Cmd's ExtraFiles.
const readyFD = 3

// Served returns true if this process was started to be the server, when that has ended. It is the first thing that TestMain of a package with tests of S3, and
// main of a program that starts a Gateway, calls; they return then.
func Served() bool {
	dir := os.Getenv(childEnv)
	if dir == "" {
		return false
	}
	if err := serve(dir, os.Getenv(childMeta), os.Getenv(childListen), os.Stdin, os.NewFile(readyFD, "ready")); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err) // nobody else hears of it
	}
	return true
}

// serve runs the server until alive ends, and says on ready that it accepts connections.
func serve(dir, metaDir, listen string, alive io.Reader, ready io.WriteCloser) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	backend, err := open(dir, metaDir)
	if err != nil {
		return fmt.Errorf("open the objects: %w", err)
	}
	go func() {
		_, err := io.Copy(io.Discard, alive)
		cancel(errors.Join(context.Canceled, err))
	}()
	go func() {
		defer ready.Close() //nolint:errcheck // the parent sees that the word is missing
		if awaitListener(ctx, listen) {
			_, _ = io.WriteString(ready, readyWord)
		}
	}()
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess: AccessKey, RootUserSecret: SecretKey, Region: Region,
		Ports: []string{listen}, MaxConnections: 1024, MaxRequests: 1024, MultipartMaxParts: 10000,
		Quiet: true, KeepAlive: true, HealthPath: healthPath,
	})
}

func open(dir, metaDir string) (*posix.Posix, error) {
	opts := posix.PosixOpts{ValidateBucketNames: true}
	if metaDir == "" {
		return posix.New(dir, meta.XattrMeta{}, opts)
	}
	opts.SideCarDir = metaDir
	files, err := meta.NewSideCar(metaDir)
	if err != nil {
		return nil, err
	}
	return posix.New(dir, files, opts)
}

// awaitListener returns when somebody accepts connections there, or false when ctx ends.
func awaitListener(ctx context.Context, addr string) bool {
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close() == nil
		}
	}
	return false
}
