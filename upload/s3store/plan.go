package s3store

import "github.com/aofsidecar/aofsidecar/upload"

const (
	// maxParts is S3's.
	maxParts = 10_000
	// growAfter is after how many parts a body of unknown size gets larger ones.
	growAfter = 2_000
	// hintReserve is how many of the parts a hint may not plan with, should it be too small.
	hintReserve = 1_000
	mib         = 1 << 20
)

// plan says how large the parts of a body are.
type plan struct {
	part int64
	// doubles is after how many parts they become twice as large, again and again; 0: never.
	doubles int
}

func (s *Store) plan(body upload.Body) plan {
	switch {
	case body.Size >= 0:
		return plan{part: max(s.o.PartBytes, roundUp(body.Size, maxParts))}
	case body.Hint > 0:
		return plan{part: max(s.o.PartBytes, roundUp(body.Hint, maxParts-hintReserve)), doubles: maxParts - hintReserve}
	}
	return plan{part: s.o.PartBytes, doubles: growAfter}
}

// roundUp divides, and rounds up to a whole MiB.
func roundUp(size, parts int64) int64 {
	part := (size + parts - 1) / parts
	return (part + mib - 1) / mib * mib
}

// bytes is the size of part number i, from 1 on.
func (p plan) bytes(i int) int64 {
	if p.doubles == 0 {
		return p.part
	}
	return p.part << ((i - 1) / p.doubles)
}
