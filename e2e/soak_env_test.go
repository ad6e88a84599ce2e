package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// worldDisk is the size of a disk that may become full: several times what a world writes while the archive is away and rewrites are held back.
const worldDisk = 256 << 20

// environmentFaults are of what surrounds the sidecar: its disk, its clock, its network. A world gets those that it needs from the start, which wants root. An upgrade is no fault: in the build before are the
// bugs that were found since, which worlds would find again. TestUpgrade is about what the two builds have to get right.
func environmentFaults() []fault {
	return []fault{
		{name: "environment: full disk", part: ofDisk, prepare: giveDisk, strike: fillDisk},
		{name: "environment: wrong clock", part: ofClock, prepare: giveClock, strike: moveClock},
		{name: "environment: cable pulled", part: ofCable, prepare: layCable, strike: pullCable},
	}
}

func giveDisk(w *world) {
	w.disk = testenv.NewDisk(w.T, worldDisk)
	w.home = w.disk.Path()
}

// fillDisk takes all the space there is. Where nothing else is wrong the sidecar, which gives up what waits for the archive, has to run out of it.
func fillDisk(w *world) func() {
	require.NoError(w, w.disk.Fill())
	if len(w.struck) == 1 {
		w.eventually("the sidecar to be out of space", func(ctx context.Context) bool {
			require.NoError(w, w.disk.Fill()) // what the sidecar has removed
			status, err := w.m.Status(ctx)
			return err == nil && status.Log.DiskFull
		})
		w.count.Full++
	}
	return func() { require.NoError(w, w.disk.Empty()) }
}

// giveClock lets the sidecar go by a clock of its own. What is restored to a time is not held to what was written when: a log's times never go back, so that after a clock that was ahead it has no others until
// the next full resync. TestClockJumps holds it to what that leaves. That it is some moment of the stream, and which, is compared as ever.
func giveClock(w *world) {
	w.clock = testenv.NewClock(w.T)
	w.program, w.anyTime = w.clock.Program(w.T, testenv.BuildOnClock(w.T)), true
}

// moveClock puts the clock ahead or behind by up to a year, and then right.
func moveClock(w *world) func() {
	const hour, day = time.Hour, 24 * time.Hour
	by := []time.Duration{time.Second, time.Minute, 2 * hour, 26 * hour, 30 * day, 365 * day}[w.rng.IntN(6)]
	if w.rng.IntN(2) == 0 {
		by = -by
	}
	w.Logf("the clock is wrong by %v", by)
	require.NoError(w, w.clock.Move(by))
	return func() { require.NoError(w, w.clock.Move(0)) }
}

// cable is between the sidecar's host and another one from where the links begin.
type cable struct {
	side, far *testenv.Host
}

func layCable(w *world) {
	n := testenv.NewNetwork(w.T, "sidecar", "links")
	w.cable = &cable{side: n.Host("sidecar"), far: n.Host("links")}
}

// leadTo returns the address on the cable's far end that leads to one of the machine.
func (c *cable) leadTo(t *testing.T, target string) string {
	t.Helper()
	return c.far.Proxy(t, target).Addr()
}

// pullCable has silence on both links, in one direction or both, with or without the card noticing.
func pullCable(w *world) func() {
	c := w.cable
	way := []struct{ cut, mend func() error }{
		{c.side.Unplug, c.side.Plug},
		{c.far.Unplug, c.far.Plug},
		{c.side.Isolate, c.side.Join},
		{func() error { return c.side.Mute(c.far) }, func() error { return c.side.Unmute(c.far) }},
		{func() error { return c.far.Mute(c.side) }, func() error { return c.far.Unmute(c.side) }},
	}[w.rng.IntN(5)]
	require.NoError(w, way.cut())
	return func() { require.NoError(w, way.mend()) }
}
