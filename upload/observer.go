package upload

import (
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Observer is told what the Uploader does. Any func may be nil. They are called from the uploader's goroutines, several at the same time, and
// must return at once; they must not call the Uploader but for State and Shipped.
type Observer struct {
	LeaseTaken func(LeaseRecord)     // we ship from now on
	LeaseHeld  func(LeaseRecord)     // somebody else ships; once for each holder
	LeaseLost  func(why error)       // we stopped at once
	NewHistory func(timeline string) // a timeline is shipped from now on

	Shipped    func(ShippedSegment)       // a segment, and all before it, is stored
	BaseStored func(ShippedBase)          // a base is stored, or was there already
	Merged     func(ShippedSegment)       // a closed increment is stored as one object
	Gap        func(Gap)                  // stream bytes were gone before they were shipped
	Damaged    func(DamagedBase)          // a base cannot be read, and is not shipped
	Kept       func(Moment)               // a FLUSHALL was shipped: the moment before it is kept until it is unpinned
	Ahead      func(timeline, why string) // the archive has what the log cannot go on from: a full resync was asked for

	Pruned   func(key string, bytes int64) // retention removed an object
	Retained func(key string)              // the store does not let go of it
	Swept    func(uploads int)             // uploads that never ended were given up

	Failed  func(Failure)
	Request func(Request)
}

// ShippedSegment is a segment that was stored.
type ShippedSegment struct {
	Key    SegmentKey
	Plain  int64 // bytes before sealing
	Sealed int64 // bytes of the object; 0 if it was there already
	Took   time.Duration
}

// ShippedBase is a base that was stored.
type ShippedBase struct {
	Key    BaseKey
	Plain  int64
	Sealed int64 // 0 if it was there already
	Took   time.Duration
}

// Gap is a range of stream bytes that the archive will never have. A base at or behind its end closes it.
type Gap struct {
	Timeline string        `json:"timeline"`
	From     stream.Offset `json:"from"`
	To       stream.Offset `json:"to"`
	Why      string        `json:"why,omitempty"` // and what to do; "": the log had given them up
}

// DamagedBase is a base of the log that is not what was written. It is not shipped.
type DamagedBase struct {
	Timeline string `json:"timeline"`
	Name     string `json:"name"`
	Why      string `json:"why"` // and what to do
}

// Failure is something that did not work, and is tried again.
type Failure struct {
	Doing string
	Err   error
}

// Request is one request to a store, as the decorators below the place of observation let it through.
type Request struct {
	Op    string // put, get, list, delete, sweep
	Code  string // "ok", the store's word, or "error"
	Took  time.Duration
	Bytes int64 // of the body that was stored; of a get: as far as it was read
}

func (o *Observer) leaseTaken(r LeaseRecord) {
	if o.LeaseTaken != nil {
		o.LeaseTaken(r)
	}
}

func (o *Observer) leaseHeld(r LeaseRecord) {
	if o.LeaseHeld != nil {
		o.LeaseHeld(r)
	}
}

func (o *Observer) leaseLost(why error) {
	if o.LeaseLost != nil {
		o.LeaseLost(why)
	}
}
