package main

import (
	"runtime/debug"

	"github.com/aofsidecar/aofsidecar/upload"
)

// restoreOverhead is what a restore needs beside the buffers of its downloads: blocks on their way, what decompression looks back over, and requests.
const restoreOverhead = 36 << 20

// boundRestore bounds the memory of this process until undo, for a restore with so many downloads. Their buffers make garbage collection wait
// until there is as much garbage as they are large, otherwise. The bound is soft, and GOMEMLIMIT counts if it is lower.
func boundRestore(parallelism int) (undo func()) {
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, int64(parallelism)*upload.DownloadBytes+restoreOverhead))
	return func() { debug.SetMemoryLimit(before) }
}
