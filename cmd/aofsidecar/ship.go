package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/upload"
)

// shipping is what a mirror with an archive has beside the log. Safe for concurrent use.
type shipping struct {
	archive  *archive
	uploader *upload.Uploader
	log      *aof.Log
	zap      *zap.Logger
	checks   *verifications

	rival atomic.Pointer[upload.LeaseRecord] // who else ships there; nil: nobody that we know of
}

// newShipping makes it; nothing is asked of the archive yet.
func newShipping(config Config, log *aof.Log, events *observe.Events, logger *zap.Logger) (*shipping, error) {
	observer := observe.Archive(events, logger)
	s := &shipping{
		archive: shipArchive(config.Archive, observer.Request), log: log, zap: logger,
		checks: newVerifications(config, func(v observe.Verification) { observe.Verified(events, logger, v) }),
	}
	options, err := shipOptions(config.Archive)
	if err != nil {
		return nil, err
	}
	options.Requests, options.Observer = s.archive.requests, s.watchLease(observer)
	s.uploader, err = upload.New(options, log, s.archive.store)
	return s, err
}

func shipOptions(config ArchiveConfig) (upload.Options, error) {
	sealer, err := config.sealer()
	if err != nil {
		return upload.Options{}, err
	}
	options := upload.Options{
		Interval: time.Duration(config.ShipInterval), SegmentBytes: int64(config.SegmentSize), Sealer: sealer,
		LeaseDisabled: !bool(config.Lease.Enabled), LeaseTTL: time.Duration(config.Lease.TTL),
	}
	if config.Retention.Enabled {
		options.Retention = config.policy()
	}
	return options, nil
}

// policy is the retention of an archive.
func (c *ArchiveConfig) policy() *upload.Policy {
	return &upload.Policy{Duration: time.Duration(c.Retention.Duration), MinBases: int(c.Retention.MinBases)}
}

// watchLease has the observer tell us, too, who holds the lease.
func (s *shipping) watchLease(o upload.Observer) upload.Observer {
	taken, held := o.LeaseTaken, o.LeaseHeld
	o.LeaseTaken = func(r upload.LeaseRecord) {
		s.rival.Store(nil)
		taken(r)
	}
	o.LeaseHeld = func(r upload.LeaseRecord) {
		s.rival.Store(&r)
		held(r)
	}
	return o
}

// state is that of this moment.
func (s *shipping) state() observe.ArchiveState {
	state := observe.ArchiveState{State: s.uploader.State(), HeldBy: s.rival.Load(), VerifyInterval: s.checks.interval()}
	state.LastVerified, state.Verification, state.Doubtful = s.checks.results()
	if log := s.log.Status().Archive; log != nil {
		state.SpoolLimitBytes, state.DiskUsedBytes = log.LimitBytes, log.UsedBytes
	}
	return state
}

// ready returns why the mirror does not do its share, or nil. That the archive is away is no reason: nothing gets better if
// this mirror is given up for it.
func (s *shipping) ready() error {
	if r := s.rival.Load(); r != nil {
		return fmt.Errorf("another sidecar ships to the archive: %s holds the lease (epoch %d)", rivalName(r), r.Epoch)
	}
	return nil
}

func rivalName(r *upload.LeaseRecord) string {
	if r.Host == "" {
		return r.Holder
	}
	return r.Host + " (" + r.Holder + ")"
}

// run ships until ctx ends, or drain has been called and is done.
func (s *shipping) run(ctx context.Context) error {
	if err := s.uploader.Run(ctx); err != nil {
		return fmt.Errorf("ship to %s: %w", s.archive.url, err)
	}
	return nil
}

// drain ships what the log has, after its last fsync, and lets go of the lease. What is left is on this disk, and goes at the next start: that is
// said, and is no error.
func (s *shipping) drain(ctx context.Context) {
	err := s.uploader.Drain(ctx)
	if left, ok := errors.AsType[*upload.UnshippedError](err); ok {
		s.zap.Warn("not everything is in the archive: the next start ships it", zap.Error(left))
	} else if err != nil {
		s.zap.Warn("the archive was not drained", zap.Error(err))
	}
}
