package fsxtest

// hooks are the test's eyes and hands. They are called without the file system's mutex.
type hooks struct {
	onOp       func(n int, op Op)
	failOp     func(op Op) error
	duringSync func(op Op)
}

// OnOp has fn called at every point where a crash may leave something new: after each operation took effect or
// failed, and in the middle of each Write of two bytes or more (Op.Half). n counts these points from 1, also
// while no hook was set. fn runs in the goroutine of the operation, before it returns; it may take a
// [FS.CrashClone]. nil removes the hook.
func (f *FS) OnOp(fn func(n int, op Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks.onOp = fn
}

// FailOp has fn asked before each operation takes effect; what it returns is the operation's error,
// wrapped as package os would. Operations that cannot succeed anyway are not asked about. A *[ShortWriteError] lets a
// Write store part of its bytes. A sync is asked at its end and, if it fails, loses data as the
// package comment says. nil removes the hook.
func (f *FS) FailOp(fn func(op Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks.failOp = fn
}

// DuringSync has fn called while a Sync, SyncData or SyncDir is under way: it covers what was done before, and
// nothing that is done before fn returns. fn may block to hold the sync. nil removes the hook.
func (f *FS) DuringSync(fn func(op Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks.duringSync = fn
}

// Points returns how many points OnOp has counted.
func (f *FS) Points() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.points
}

// injected asks the FailOp hook. Called without the mutex.
func (f *FS) injected(op Op) error {
	f.mu.Lock()
	fn := f.hooks.failOp
	f.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(op)
}

// point counts one crash point and tells the OnOp hook. Called without the mutex.
func (f *FS) point(op Op) {
	f.mu.Lock()
	f.points++
	n, fn := f.points, f.hooks.onOp
	f.mu.Unlock()
	if fn != nil {
		fn(n, op)
	}
}

// hold lets the DuringSync hook keep a sync under way. Called without the mutex.
func (f *FS) hold(op Op) {
	f.mu.Lock()
	fn := f.hooks.duringSync
	f.mu.Unlock()
	if fn != nil {
		fn(op)
	}
}
