package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// scenarioWorlds is among how many worlds TestScenarios deals the faults.
const scenarioWorlds = 6

// Each fault strikes twice or more often, each time in a world of a server that the seed draws, and what the mirror and its archive have after that is what the upstream has.
func TestScenarios(t *testing.T) {
	seed := newSeed(t)
	total := newSoakTotals(t)
	total.seed = seed
	for i, p := range dealFaults(t, seed) {
		t.Run(fmt.Sprintf("%d/%s", i, p.family), func(t *testing.T) {
			t.Parallel()
			total.world(t, p, time.Time{})
		})
	}
}

// dealFaults draws worlds of which each fault fits at least one, and deals all of them out.
func dealFaults(t *testing.T, seed uint64) []plan {
	t.Helper()
	families := testenv.Servers(t)
	for attempt := range uint64(100) {
		var plans []plan
		for i := range uint64(scenarioWorlds) {
			p := newPlan(seed+attempt<<16+i, families[(seed+i)%uint64(len(families))])
			p.longest, p.again = 5*time.Second, fmt.Sprintf("AOFSIDECAR_E2E_SEED=%d", seed)
			plans = append(plans, p)
		}
		rng := rand.New(rand.NewPCG(seed, attempt))
		if deal(plans, rng, 2) {
			return plans
		}
	}
	require.Fail(t, "there is a fault that fits no world")
	return nil
}

// deal gives out each fault so many times, always to a world that has few.
func deal(plans []plan, rng *rand.Rand, times int) (all bool) {
	list := slices.Repeat(faults(), times)
	for _, i := range rng.Perm(len(list)) {
		best := -1
		for j := range plans {
			if list[i].fitsIn(&plans[j]) && (best < 0 || len(plans[j].script) < len(plans[best].script)) {
				best = j
			}
		}
		if best < 0 {
			return false
		}
		plans[best].script = append(plans[best].script, list[i])
		plans[best].turns = len(plans[best].script)
	}
	return true
}

// One world after another, with faults as the seed draws them, until AOFSIDECAR_SOAK_DURATION is over: it runs only where that is set. AOFSIDECAR_SOAK_SERVERS names servers or a family (redis, valkey);
// AOFSIDECAR_SOAK_WORLD=seed runs that one world; AOFSIDECAR_SOAK_FAULTS leaves only the faults with that in their names, or, with | in it, with one of these.
func TestSoak(t *testing.T) {
	text, one := os.Getenv("AOFSIDECAR_SOAK_DURATION"), os.Getenv("AOFSIDECAR_SOAK_WORLD")
	if text == "" && one == "" {
		t.Log("AOFSIDECAR_SOAK_DURATION is not set: nothing is soaked; `make soak` sets it")
		return
	}
	families := soakServers(t)
	total := newSoakTotals(t)
	if one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		require.NoError(t, err, "AOFSIDECAR_SOAK_WORLD")
		total.seed = seed
		total.world(t, soakPlan(seed, families), time.Time{})
		return
	}
	duration, err := time.ParseDuration(text)
	require.NoError(t, err, "AOFSIDECAR_SOAK_DURATION")
	total.seed = newSeed(t)
	rng := rand.New(rand.NewPCG(total.seed, 0x50a))
	until := time.Now().Add(duration)
	for time.Now().Before(until) {
		p := soakPlan(rng.Uint64()>>1, families)
		t.Run(fmt.Sprintf("%d/%s", p.seed, p.family), func(t *testing.T) { total.world(t, p, until) })
	}
}

// soakServers are those that AOFSIDECAR_SOAK_SERVERS names, all if it is empty.
func soakServers(t *testing.T) []testenv.Family {
	t.Helper()
	names := strings.FieldsFunc(os.Getenv("AOFSIDECAR_SOAK_SERVERS"), func(r rune) bool { return r == ',' || r == ' ' })
	chosen := slices.DeleteFunc(testenv.Servers(t), func(f testenv.Family) bool {
		return len(names) > 0 && !slices.Contains(names, f.Name) && !slices.Contains(names, string(f.Dialect))
	})
	require.NotEmpty(t, chosen, "AOFSIDECAR_SOAK_SERVERS=%v", names)
	return chosen
}

// soakPlan draws a world of some minutes. Which server it is, is drawn last: with that server alone the rest is the same.
func soakPlan(seed uint64, families []testenv.Family) plan {
	rng := rand.New(rand.NewPCG(seed, 3))
	turns, long := 6+rng.IntN(8), rng.IntN(8) == 0
	p := newPlan(seed, families[rng.IntN(len(families))])
	p.turns, p.longest, p.only = turns, 8*time.Second, os.Getenv("AOFSIDECAR_SOAK_FAULTS")
	if long {
		p.turns, p.longest = 4, time.Minute
	}
	// What has to be prepared comes from here, for a world draws only what has not.
	for _, f := range faults() {
		if f.prepare != nil && f.fitsIn(&p) && p.wants(&f) && (rng.IntN(4) == 0 || p.only != "") {
			p.extra = append(p.extra, f)
		}
	}
	return p
}

// worldCounts are what a world has come to.
type worldCounts struct {
	Faults                       map[string]int
	Commands                     int
	Restores, Boots, Comparisons int
	Kills, Checks, Lost          int   // SIGKILLs of the sidecar; how often its log was held to what it had acknowledged, and did not keep that
	Checked                      int64 // bytes of stream in that
	Shipped                      int   // how often the archive was held to that
	Left                         int   // of Boots: of what a SIGKILL left
	Heard                        testenv.Heard
	Unfinished                   int // of Kills: with a rewrite or a snapshot half written
	Full                         int // disks that were, with nothing else wrong
	Impatient                    int // sidecars that were started again because they waited before the next snapshot
}

func newWorldCounts() worldCounts { return worldCounts{Faults: map[string]int{}} }

// soakTotals are what a run has come to. They are printed when its test ends.
type soakTotals struct {
	mu       sync.Mutex
	seed     uint64
	begun    time.Time
	worlds   int
	failures int
	servers  map[string]int
	sum      worldCounts
}

func newSoakTotals(t *testing.T) *soakTotals {
	t.Helper()
	s := &soakTotals{begun: time.Now(), servers: map[string]int{}, sum: newWorldCounts()}
	t.Cleanup(func() { t.Log(s) })
	return s
}

// world runs one and adds it up.
func (s *soakTotals) world(t *testing.T, p plan, until time.Time) {
	t.Helper()
	var w *world
	t.Cleanup(func() { // behind those of the world
		s.mu.Lock()
		defer s.mu.Unlock()
		s.worlds++
		s.servers[p.family.Name+" ("+p.family.Version.String()+")"]++
		if t.Failed() {
			s.failures++
		}
		if w != nil {
			s.add(&w.count)
		}
	})
	w = newWorld(t, p)
	w.until = until
	w.run()
}

func (s *soakTotals) add(c *worldCounts) {
	for name, n := range c.Faults {
		s.sum.Faults[name] += n
	}
	s.sum.Commands += c.Commands
	s.sum.Restores += c.Restores
	s.sum.Boots += c.Boots
	s.sum.Comparisons += c.Comparisons
	s.sum.Kills += c.Kills
	s.sum.Checks += c.Checks
	s.sum.Lost += c.Lost
	s.sum.Checked += c.Checked
	s.sum.Shipped += c.Shipped
	s.sum.Left += c.Left
	s.sum.Heard.Full += c.Heard.Full
	s.sum.Heard.Partial += c.Heard.Partial
	s.sum.Heard.Facks += c.Heard.Facks
	s.sum.Heard.Facked += c.Heard.Facked
	s.sum.Unfinished += c.Unfinished
	s.sum.Full += c.Full
	s.sum.Impatient += c.Impatient
}

// String is the table that a run ends with.
func (s *soakTotals) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteByte('\n')
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { _, _ = fmt.Fprintf(table, "%s\t%v\n", name, value) } // a Builder does not fail
	row("seed", s.seed)
	for _, name := range slices.Sorted(maps.Keys(s.servers)) {
		row(name, fmt.Sprintf("%d worlds", s.servers[name]))
	}
	row("duration", time.Since(s.begun).Round(time.Second))
	row("worlds", s.worlds)
	row("commands written", s.sum.Commands)
	row("restores", s.sum.Restores)
	row("boots", fmt.Sprintf("%d, %d of what a SIGKILL left", s.sum.Boots, s.sum.Left))
	row("comparisons", s.sum.Comparisons)
	row("full, partial resyncs", fmt.Sprintf("%d, %d", s.sum.Heard.Full, s.sum.Heard.Partial))
	row("acknowledged", fmt.Sprintf("%d times, %d bytes", s.sum.Heard.Facks, s.sum.Heard.Facked))
	row("logs held to what was acknowledged", fmt.Sprintf("%d (%d bytes), %d after SIGKILL, %d of these in a rewrite or a snapshot", s.sum.Checks, s.sum.Checked, s.sum.Kills, s.sum.Unfinished))
	row("archives held to that", s.sum.Shipped)
	row("sidecars that ran out of space", s.sum.Full)
	row("started again for want of patience", s.sum.Impatient)
	row("lost", s.sum.Lost)
	row("failures", s.failures)
	all := 0
	for _, name := range slices.Sorted(maps.Keys(s.sum.Faults)) {
		row("  "+name, s.sum.Faults[name])
		all += s.sum.Faults[name]
	}
	row("faults", all)
	_ = table.Flush()
	return b.String()
}
