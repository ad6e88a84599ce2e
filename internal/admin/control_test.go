package admin

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serveControl runs a control socket until the test ends.
func serveControl(t *testing.T, path string, add func(*http.ServeMux)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := ListenControl(ctx, path)
	require.NoError(t, err)
	mux, handler := NewControl(func(context.Context) any { return map[string]string{"state": "streaming"} })
	if add != nil {
		add(mux)
	}
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, handler, nil) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
}

func TestControlSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	serveControl(t, path, func(mux *http.ServeMux) {
		mux.HandleFunc("POST /add", JSON(func(r *http.Request) (any, error) {
			if r.URL.Query().Get("fail") != "" {
				return nil, errors.New("not now")
			}
			return 3, nil
		}))
	})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	client := NewClient(path)
	var status map[string]string
	require.NoError(t, client.Get(t.Context(), "/status", &status))
	require.Equal(t, map[string]string{"state": "streaming"}, status)
	var sum int
	require.NoError(t, client.Post(t.Context(), "/add", []int{1, 2}, &sum))
	require.Equal(t, 3, sum)

	var remote *RemoteError
	require.ErrorAs(t, client.Post(t.Context(), "/add?fail=1", nil, &sum), &remote)
	require.Equal(t, &RemoteError{Code: 409, Message: "not now"}, remote)
	require.ErrorAs(t, client.Get(t.Context(), "/nothing", &sum), &remote)
	require.Equal(t, 404, remote.Code)
	require.ErrorContains(t, client.Get(t.Context(), "/status", &sum), "decode answer")

	_, err = ListenControl(t.Context(), path)
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, path, inUse.Path)
}

func TestControlSocketGoesWithTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	t.Run("served", func(t *testing.T) { serveControl(t, path, nil) })
	require.NoFileExists(t, path)
}

func TestNobodyAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	var gone *NotRunningError
	require.ErrorAs(t, NewClient(path).Get(t.Context(), "/status", nil), &gone)
	require.ErrorIs(t, gone, fs.ErrNotExist)
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.FileExists(t, path)
	serveControl(t, path, nil)
	var status map[string]string
	require.NoError(t, NewClient(path).Get(t.Context(), "/status", &status))
}

func TestOtherFilesStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := ListenControl(t.Context(), path)
	require.ErrorContains(t, err, "no socket")
	require.FileExists(t, path)

	_, err = ListenControl(t.Context(), filepath.Join(path, "below", "c.sock"))
	require.ErrorContains(t, err, "not a directory")
	_, err = ListenControl(t.Context(), filepath.Join(t.TempDir(), strings.Repeat("s", 120)))
	require.ErrorContains(t, err, "bind: invalid argument")
}

// TestAPlaceThatCannotHoldASocket tells a path that is of no use to this user from one that is in use.
func TestAPlaceThatCannotHoldASocket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, path := range map[string]string{
		"no folder can be made": filepath.Join(file, "run", "c.sock"),
		"the folder is a file":  filepath.Join(file, "c.sock"),
		"the folder refuses":    "/proc/c.sock",
	} {
		_, err := ListenControl(t.Context(), path)
		var place *PlaceError
		require.ErrorAs(t, err, &place, name)
		require.Equal(t, path, place.Path)
		require.Error(t, errors.Unwrap(place))
		require.ErrorContains(t, err, path)
	}
}
