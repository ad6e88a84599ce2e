package upload

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Options say how the log is shipped. The zero value of a field means its default.
type Options struct {
	// Interval is the longest that durable bytes wait before they are cut into a segment (ship-interval); default 1 s.
	Interval time.Duration
	// SegmentBytes is the size from which on a segment is cut before that (segment-size), in bytes of the log; default 8 MiB.
	SegmentBytes int64
	// Sealer makes the objects; default zstd, no encryption.
	Sealer *Sealer

	// LeaseDisabled ships without a lease: somebody else sees to it that no two sidecars ship to one archive. Not with encryption: only the lease says of which
	// history what is stored is, where nobody here can read it.
	LeaseDisabled bool
	// LeaseTTL is how long nobody ships after a holder died; default 30 s, at least 1 s.
	LeaseTTL time.Duration
	// Host names this machine to people; default the host's name.
	Host string

	// Parallel is how many segments are on their way at once; default 4.
	Parallel int
	// InFlightBytes bounds the memory for them; default 64 MiB. A segment that is larger than a quarter of it is streamed instead of kept.
	InFlightBytes int64

	// Retention says what is kept; nil: everything, for ever.
	Retention *Policy
	// RetentionInterval is how often the archive is looked at, for retention and for what State says of the window, at the cost of one LIST for each thousand
	// objects; default 1 h.
	RetentionInterval time.Duration

	// Retry is how long a write that the store did not take waits before it is tried again: it doubles up to a minute; default 1 s. The store
	// that is given is expected to try again by itself what may pass.
	Retry time.Duration

	// Requests counts what State shows, and tells whoever watches with it; nil: the uploader counts what it asks of the store that it is given, and tells
	// Observer.Request.
	Requests *Requests
	Observer Observer
}

const (
	// idleInterval is how often a quiet upstream makes a segment without commands.
	idleInterval = time.Minute
	// maxRetry bounds the waits between tries.
	maxRetry = time.Minute
)

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Interval, time.Second)
	setDefault(&o.SegmentBytes, 8<<20)
	setDefault(&o.LeaseTTL, 30*time.Second)
	setDefault(&o.Parallel, 4)
	setDefault(&o.InFlightBytes, 64<<20)
	setDefault(&o.RetentionInterval, time.Hour)
	setDefault(&o.Retry, time.Second)
	var errs []error
	if o.Sealer == nil {
		sealer, err := NewSealer(SealOptions{})
		errs = append(errs, err)
		o.Sealer = sealer
	}
	if o.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			errs = append(errs, fmt.Errorf("find the host's name: %w", err))
		}
		o.Host = host
	}
	if o.LeaseDisabled && o.Sealer != nil && o.Sealer.Age() {
		errs = append(errs, errors.New("encryption needs a lease, which says of which history the end of the archive is"))
	}
	if o.LeaseTTL < time.Second {
		errs = append(errs, fmt.Errorf("lease ttl is %v: want at least 1s", o.LeaseTTL))
	}
	if o.Interval < 0 || o.SegmentBytes < 0 || o.Parallel < 0 || o.InFlightBytes < 0 || o.RetentionInterval < 0 || o.Retry < 0 {
		errs = append(errs, errors.New("intervals, sizes and counts must be positive"))
	}
	if o.Retention != nil {
		_, err := o.Retention.withDefaults()
		errs = append(errs, err)
	}
	return o, errors.Join(errs...)
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
