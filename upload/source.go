package upload

import (
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Source is the log that is shipped. *aof.Log satisfies it. Safe for concurrent use; none of it waits for the disk but OpenFile.
type Source interface {
	// Holdings returns what there is to ship.
	Holdings() stream.Holdings
	// Changed returns a channel that is closed when Holdings next changes.
	Changed() <-chan struct{}
	// OpenFile opens a file of Holdings. fs.ErrNotExist says that it has gone meanwhile: Holdings tells what came in its place.
	OpenFile(name string) (fsx.File, error)
	// Shipped says that the archive has a base of the timeline and all that follows it, up to through: what the log keeps for the archive only,
	// and ends there, may go.
	Shipped(timeline string, through stream.Offset)
	// BaseShipped says that the archive has this base.
	BaseShipped(name string)
	// NewTimeline asks for a full resync, because the archive has what this log cannot go on from; why is for the operator. It may be
	// called again at any time, and does nothing while one is on its way.
	NewTimeline(why string)
}
