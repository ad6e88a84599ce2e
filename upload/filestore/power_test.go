package filestore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// powered is a log, and the archive that it is shipped to, on one file system in memory that is crashed again and again.
type powered struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *fsxtest.FS
	ids  int    // of failovers
	sent []byte // by the upstream
	cuts int

	log  *aof.Log
	up   *upload.Uploader
	mu   sync.Mutex
	left *fsxtest.FS // by a crash; nil: not yet
	told stream.Offset
}

// TestShippedOutlastsKillsAndPowerLosses kills the process and takes the power at any operation of the log and of the archive: what the archive was said to have, it has. Upstreams
// take over from one another, and answer late; none is asked for a full resync: the log is behind the archive, or under an id of before, only until they have answered.
func TestShippedOutlastsKillsAndPowerLosses(t *testing.T) {
	cuts := 0
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &powered{t: t, rng: rand.New(rand.NewPCG(seed, 9)), fs: fsxtest.New()}
				require.NoError(t, makeRoot(p.fs, "/archive"))
				for range 14 {
					p.untilCrash()
					p.requireKept()
				}
				cuts += p.cuts
			})
		})
	}
	require.Greater(t, cuts, 150)
}

// untilCrash is the life of a process.
func (p *powered) untilCrash() {
	begun := p.open()
	ctx, stop := context.WithCancel(p.t.Context())
	store := inMemory(p.fs)
	store.ships = true
	var err error
	p.up, err = upload.New(upload.Options{SegmentBytes: 300, LeaseTTL: 6 * time.Second, Retry: 200 * time.Millisecond}, p.log, store)
	require.NoError(p.t, err)
	p.fs.OnOp(p.crashAt(1 + p.rng.IntN(40)*(1+p.rng.IntN(10))))
	var g errgroup.Group
	g.Go(func() error { return p.log.Run(ctx) })
	g.Go(func() error { return p.up.Run(ctx) })
	if begun && p.rng.IntN(2) == 0 {
		<-time.After(10 * time.Second)
		p.goOn()
	} else if begun {
		p.goOn()
	}
	for step := 0; step < 60 && !p.crashed(); step++ {
		p.write(1 + p.rng.IntN(4))
		if p.rng.IntN(5) == 0 {
			p.ids++
			require.NoError(p.t, p.log.Rollback())
			p.goOn()
		}
		<-time.After(time.Duration(100+p.rng.IntN(900)) * time.Millisecond)
	}
	p.crash()
	p.fs.OnOp(nil)
	stop()
	require.NoError(p.t, g.Wait())
	require.NoError(p.t, p.log.Close())
	p.fs, p.left = p.left, nil
}

// open opens the log, and reports whether it has begun: if not, it gets its first base.
func (p *powered) open() (begun bool) {
	var err error
	p.log, err = aof.Open(p.t.Context(), aof.Options{Dir: "/data", FS: p.fs, Archive: true, IncrementBytes: int64(400 + p.rng.IntN(4000))})
	require.NoError(p.t, err)
	pos, _, err := p.log.Resume()
	require.NoError(p.t, err)
	if !pos.IsZero() {
		return true
	}
	require.Zero(p.t, p.told, "what was shipped was durable in the log")
	var b bytes.Buffer
	require.NoError(p.t, rdb.NewWriter(&b, rdb.Format{Version: 12}).Close())
	_, err = p.log.FullResync(p.t.Context(), stream.Snapshot{Position: stream.Position{ReplID: p.id()}, Bytes: int64(b.Len())}, &b)
	require.NoError(p.t, err)
	p.sent = nil
	return false
}

// id is what the history is called now.
func (p *powered) id() stream.ReplID {
	id, err := stream.ParseReplID(fmt.Sprintf("%040x", 1+p.ids))
	require.NoError(p.t, err)
	return id
}

// goOn is +CONTINUE.
func (p *powered) goOn() {
	pos, _, err := p.log.Resume()
	require.NoError(p.t, err)
	require.False(p.t, pos.IsZero(), "a full resync is asked for: %s", p.up.State().Ahead)
	require.NoError(p.t, p.log.Continue(p.t.Context(), p.id()))
}

// write has the upstream send n commands more, and the log take what it lacks.
func (p *powered) write(n int) {
	for range n {
		p.sent = resp.AppendCommandStrings(p.sent, "SET", "key", fmt.Sprintf("%0*d", 8, len(p.sent)))
	}
	data := p.sent[p.log.Received():]
	run := stream.Run{Data: data, Boundary: int64(len(data)), Whole: true, UnixMilli: time.Now().UnixMilli()}
	require.NoError(p.t, p.log.Append(p.t.Context(), &run))
}

// crashAt crashes at the n-th operation from now.
func (p *powered) crashAt(n int) func(int, fsxtest.Op) {
	return func(int, fsxtest.Op) {
		p.mu.Lock()
		n--
		p.mu.Unlock()
		if n == 0 {
			p.crash()
		}
	}
}

func (p *powered) crashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left != nil
}

// crash takes what a crash leaves, unless there was one, and what had been said by then.
func (p *powered) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left != nil {
		return
	}
	if off, ok := p.up.Shipped(); ok {
		p.told = max(p.told, off)
	}
	crashes := fsxtest.Crashes(p.rng.Uint64())
	crash := fsxtest.Crash(fsxtest.KillProcess{})
	if p.rng.IntN(2) == 0 {
		crash = crashes[p.rng.IntN(len(crashes))]
		p.cuts++
	}
	p.left = p.fs.CrashClone(crash)
}

// requireKept wants that the archive can be restored up to what it was said to have.
func (p *powered) requireKept() {
	p.t.Helper()
	c, err := upload.ReadCatalog(p.t.Context(), inMemory(p.fs))
	require.NoError(p.t, err)
	if p.told == 0 {
		return
	}
	plan, err := c.Plan(upload.Target{})
	require.NoError(p.t, err)
	require.GreaterOrEqual(p.t, plan.Window.To, p.told, p.fs.Dump())
}
