package fsx

// Exchanger is what an [FS] may be, too: it swaps two names of one file system atomically. Not durable before SyncDir of both directories. Where
// the kernel or the file system cannot do it (EINVAL, ENOSYS), nothing has changed.
type Exchanger interface {
	Exchange(a, b string) error
}
