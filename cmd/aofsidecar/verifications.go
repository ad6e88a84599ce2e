package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/observe"
)

// firstVerification is how long after the start the first one comes, at most: who restarts every day wants one, too.
const firstVerification = 5 * time.Minute

// verifications verify the archive every archive.verify.interval, beside the shipping. Safe for concurrent use.
type verifications struct {
	config Config
	tell   func(observe.Verification)

	mu   sync.Mutex
	last *observe.Verification
	good map[string]time.Time // by level, of those that found everything right
	bad  bool                 // one failed, and none was good since then
}

func newVerifications(config Config, tell func(observe.Verification)) *verifications {
	return &verifications{config: config, tell: tell, good: map[string]time.Time{}}
}

// results are those so far.
func (v *verifications) results() (good map[string]time.Time, last *observe.Verification, bad bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.good), v.last, v.bad
}

// interval is the time between them; 0: there are none.
func (v *verifications) interval() time.Duration {
	return time.Duration(v.config.Archive.Verify.Interval)
}

// run verifies now and then until ctx ends. No result of a verification is an error.
func (v *verifications) run(ctx context.Context, a *archive) error {
	interval := v.interval()
	if interval == 0 {
		return nil
	}
	timer := time.NewTimer(min(interval, firstVerification))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		v.verify(ctx, a)
		timer.Reset(interval)
	}
}

func (v *verifications) verify(ctx context.Context, a *archive) {
	settings := v.config.Archive.Verify
	result := observe.Verification{Level: string(settings.Level), At: time.Now().UTC()}
	verdict, err := verifyArchive(ctx, a, v.config, archiveChecks{
		deep: settings.Level == VerifyDeep, boot: settings.Level == VerifyBoot, command: settings.BootCommand,
	})
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		result.Result, result.Detail = verifiedInconclusive, err.Error()
	default:
		result.Result, result.Detail = verdict.Result, verdict.Detail
	}
	result.Took = time.Since(result.At)
	v.mu.Lock()
	v.last = &result
	switch result.Result {
	case verifiedOK:
		v.good[result.Level], v.bad = time.Now().UTC(), false
	case verifiedFailed:
		v.bad = true
	}
	v.mu.Unlock()
	v.tell(result)
}
