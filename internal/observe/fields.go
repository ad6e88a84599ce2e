package observe

import (
	"time"

	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// The keys of log fields. One thing has one key everywhere, so that a query finds all of it.
const (
	keyAddr     = "addr"
	keyBytes    = "bytes"
	keyClass    = "class"
	keyDetail   = "detail"
	keyDoing    = "doing"
	keyEpoch    = "epoch"
	keyFile     = "file"
	keyFrom     = "from"
	keyHolder   = "holder"
	keyHost     = "host"
	keyID       = "replid"
	keyInRow    = "in_row"
	keyKeys     = "keys"
	keyKeysWas  = "keys_was"
	keyLevel    = "level"
	keyLocal    = "local"
	keyObject   = "object"
	keyOffset   = "offset"
	keyPath     = "path"
	keyPhase    = "phase"
	keyPosition = "position"
	keyReason   = "reason"
	keyRetry    = "retry_in"
	keyServer   = "server"
	keyTimeline = "timeline"
	keyTo       = "to"
	keyTook     = "took"
	keyWorst    = "worst"
)

func position(p stream.Position) zap.Field { return zap.Stringer(keyPosition, p) }

func bytesField(n int64) zap.Field { return zap.Int64(keyBytes, n) }

func took(d time.Duration) zap.Field { return zap.Duration(keyTook, d) }
