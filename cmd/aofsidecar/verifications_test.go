package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/observe"
)

// archiveConfig is the configuration of a sidecar with an archive of a few commands.
func archiveConfig(t *testing.T, level VerifyLevel) (config Config, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "archive")
	require.NoError(t, fillArchive(t.Context(), dir, "ab", archiveStart, nil, [][]string{{"SET", "a", "1"}, {"SET", "b", "2"}}))
	config = DefaultConfig()
	config.Archive.URL = "file://" + dir
	config.Archive.Verify = ArchiveTestConfig{Interval: Duration(time.Hour), Level: level, BootCommand: "no-such-server"}
	return config, dir
}

// Only a verification that finds everything right moves the time of its level.
func TestOnlyOKMovesLastVerified(t *testing.T) {
	var told []observe.Verification
	config, dir := archiveConfig(t, VerifyDeep)
	v := newVerifications(config, func(result observe.Verification) { told = append(told, result) })
	a, err := openArchive(t.Context(), config, "")
	require.NoError(t, err)
	v.verify(t.Context(), a)
	good, last, bad := v.results()
	require.Equal(t, verifiedOK, last.Result, last.Detail)
	require.False(t, bad)
	require.Contains(t, good, "deep")
	at := good["deep"]

	segments, err := filepath.Glob(filepath.Join(dir, "timelines", "*", "incr", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	text, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	text[len(text)-1] ^= 1
	require.NoError(t, os.WriteFile(segments[0], text, 0o600))
	v.verify(t.Context(), a)
	good, last, bad = v.results()
	require.Equal(t, verifiedFailed, last.Result)
	require.True(t, bad)
	require.Contains(t, last.Detail, filepath.Base(segments[0]))
	require.Equal(t, at, good["deep"])

	elsewhere := dir + "-away"
	require.NoError(t, os.Rename(dir, elsewhere))
	v.verify(t.Context(), &archive{url: a.url, store: a.raw, config: config.Archive})
	good, last, bad = v.results()
	require.Equal(t, verifiedInconclusive, last.Result)
	require.Equal(t, at, good["deep"])
	require.True(t, bad, "what was found is not forgotten because nothing can be found out now")

	require.NoError(t, os.Rename(elsewhere, dir))
	text[len(text)-1] ^= 1
	require.NoError(t, os.WriteFile(segments[0], text, 0o600))
	v.verify(t.Context(), a)
	_, last, bad = v.results()
	require.Equal(t, verifiedOK, last.Result, last.Detail)
	require.False(t, bad)
	require.Len(t, told, 4)
}

func TestVerificationByBootWithoutAServerIsInconclusive(t *testing.T) {
	config, _ := archiveConfig(t, VerifyBoot)
	v := newVerifications(config, func(observe.Verification) {})
	a, err := openArchive(t.Context(), config, "")
	require.NoError(t, err)
	v.verify(t.Context(), a)
	good, last, bad := v.results()
	require.False(t, bad)
	require.Empty(t, good)
	require.Equal(t, verifiedInconclusive, last.Result)
	require.Contains(t, last.Detail, "no-such-server")
}

// The first verification comes soon after the start, the next ones when the interval has passed.
func TestVerificationsFollowTheirInterval(t *testing.T) {
	config := DefaultConfig()
	config.Archive.URL = "file:///nowhere"
	config.Archive.Verify.Interval = Duration(time.Hour)
	away := &lateStore{open: failOpen}
	synctest.Test(t, func(t *testing.T) {
		begun, told := time.Now(), []time.Duration(nil)
		v := newVerifications(config, func(observe.Verification) { told = append(told, time.Since(begun)) })
		ctx := t.Context()
		ended := make(chan error, 1)
		go func() { ended <- v.run(ctx, &archive{store: away}) }()
		<-time.After(3 * time.Hour)
		synctest.Wait()
		require.Equal(t, []time.Duration{firstVerification, firstVerification + time.Hour, firstVerification + 2*time.Hour}, told)
		_, last, _ := v.results()
		require.Equal(t, verifiedInconclusive, last.Result)
	})
}

var errAway = errors.New("away")
