package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedianIsThatOfEachNumber(t *testing.T) {
	identity := func(n int) int { return n }
	require.Equal(t, 2, medianOf([]int{9, 1, 2}, identity))
	require.Equal(t, 2, medianOf([]int{2, 9, 1, 4}, identity))
	require.Equal(t, 7, medianOf([]int{7}, identity))
}

// sample is a round in which the sidecar takes half of the copy's speed and 20 times the replica's; slow stretches all times.
func sample(slow float64) round {
	m := func(seconds float64, cpu time.Duration, peak int64) measurement {
		return measurement{bytes: 1e9, took: time.Duration(seconds * slow * 1e9), cpu: cpu, peak: peak << 20}
	}
	return round{
		nameCopy: m(1, 500*time.Millisecond, 6), nameSidecar: m(2, time.Second, 40),
		nameReplica: m(40, 30*time.Second, 900),
	}
}

// shown is what a sheet looks like, the summary last.
func shown(t *testing.T, s sheet) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, writeTables(&out, append(s.Tables, summaryTable([]sheet{s}))))
	return out.String()
}

func TestReport(t *testing.T) {
	r := report{
		series: []series{{recording: "mixed", policy: policyEverySec, judged: true, rounds: []round{sample(1), sample(3), sample(2)}}},
		memory: []memory{{snapshotBytes: 1 << 30, keys: 5, took: 2 * time.Second, cpu: time.Second, peakSnapshot: 30 << 20, peak: 31 << 20}},
		restarts: []restartSeries{{name: "after kill -9", runs: []restart{
			{increment: 1 << 30, asked: time.Second, streaming: 1100 * time.Millisecond},
			{increment: 1 << 30, asked: time.Second, streaming: 1100 * time.Millisecond, resent: 1 << 20},
			{increment: 1 << 30, asked: time.Second, streaming: 1100 * time.Millisecond},
		}}},
	}
	require.Equal(t, `
| stream | appendfsync | consumer     | MB   | seconds | MB/s | CPU s | CPU s/GB | peak MiB |
| ------ | ----------- | --------     | --   | ------- | ---- | ----- | -------- | -------- |
| mixed  | everysec    | bare copy    | 1000 | 2.00    | 500  | 0.50  | 0.50     | 6        |
| mixed  | everysec    | sidecar      | 1000 | 4.00    | 250  | 1.00  | 1.00     | 40       |
| mixed  | everysec    | real replica | 1000 | 80.00   | 12   | 30.00 | 30.00    | 900      |

| stream | appendfsync | the sidecar's               | is    | wanted |
| ------ | ----------- | -------------               | --    | ------ |
| mixed  | everysec    | throughput / bare copy's    | 0.50  | >= 0.5 |
| mixed  | everysec    | throughput / real replica's | 20.0  | >= 10  |
| mixed  | everysec    | CPU a byte / real replica's | 0.033 | <= 0.1 |
| mixed  | everysec    | peak MiB                    | 40    | <= 64  |

| snapshot MiB | keys | seconds | MB/s | CPU s | peak MiB | peak MiB after streams | wanted |
| ------------ | ---- | ------- | ---- | ----- | -------- | ---------------------- | ------ |
| 1024         | 5    | 2.00    | 537  | 1.00  | 30       | 31                     | <= 64  |

| restart       | increment MiB | times | seconds to PSYNC | to the first ACK | sent again MiB at most | wanted |
| -------       | ------------- | ----- | ---------------- | ---------------- | ---------------------- | ------ |
| after kill -9 | 1024          | 3     | 1.00             | 1.10             | 1.0                    | < 2    |

| measured                                        | unit | plain | real server | sidecar | by plain | by server | wanted                               | reached |
| --------                                        | ---- | ----- | ----------- | ------- | -------- | --------- | ------                               | ------- |
| ingest, mixed: throughput                       | MB/s | 500   | 12          | 250     | 0.50     | 20.0      | >= 0.5 of plain's; >= 10 of server's | yes     |
| ingest, mixed: processor                        | s/GB | 0.50  | 30.00       | 1.00    | 2.00     | 0.033     | <= 0.1 of server's                   | yes     |
| ingest, mixed: peak memory                      | MiB  | 6     | 900         | 40      | 6.67     | 0.044     | <= 64                                | yes     |
| snapshot of 1024 MiB, then streams: peak memory | MiB  | -     | -           | 31      | -        | -         | <= 64                                | yes     |
| restart after kill -9: to the first ACK         | s    | -     | -           | 1.10    | -        | -         | <= 2                                 | yes     |
`, shown(t, r.sheet()))
}

func TestReportOfRewrites(t *testing.T) {
	m := func(seconds float64, loaded time.Duration, peak, base int64) rewritten {
		return rewritten{took: time.Duration(seconds * 1e9), loaded: loaded, cpu: time.Second, peak: peak << 20, base: base * 1e6}
	}
	sample := func(slow float64) map[string]rewritten {
		return map[string]rewritten{
			nameCp: m(1*slow, 0, 2, 0), nameSidecar: m(2.5*slow, 0, 80, 210), nameServer: m(20*slow, 8*time.Second, 1000, 205),
		}
	}
	last := sample(1)
	delete(last, nameCp)
	r := report{rewrites: []rewriteSeries{
		{
			name: "some keys", base: 200e6, increment: 10e6, verified: true, wanted: rewriteWanted{ofCopy: 3, ofServer: 0.25, memory: 0.1},
			rounds: []map[string]rewritten{sample(1), sample(3), sample(2)},
		},
		{name: "incr", increment: 40e6, wanted: rewriteWanted{ofServer: 0.33, memory: 1.5}, rounds: []map[string]rewritten{last}},
	}, lags: []lag{{
		name: "alone", rewrites: 0, took: 2 * time.Second, bytes: 40e6, cpu: time.Second, peak: 30 << 20,
		behind: []time.Duration{3e8, 9e8, 5e8},
	}}}
	require.Equal(t, `
| rewrite   | by         | base MB | increment MB | new base MB | seconds | of them loading | CPU s | peak MiB |
| -------   | --         | ------- | ------------ | ----------- | ------- | --------------- | ----- | -------- |
| some keys | cp + fsync | 200     | 10           | -           | 2.00    | -               | 1.00  | 2        |
| some keys | sidecar    | 200     | 10           | 210         | 5.00    | -               | 1.00  | 80       |
| some keys | server     | 200     | 10           | 205         | 40.00   | 8.00            | 1.00  | 1000     |
| incr      | sidecar    | 0       | 40           | 210         | 2.50    | -               | 1.00  | 80       |
| incr      | server     | 0       | 40           | 205         | 20.00   | 8.00            | 1.00  | 1000     |

| rewrite   | the sidecar's   | is    | wanted  |
| -------   | -------------   | --    | ------  |
| some keys | time / cp's     | 2.50  | <= 3.00 |
| some keys | time / server's | 0.12  | <= 0.25 |
| some keys | peak / server's | 0.08  | <= 0.10 |
| some keys | DEBUG DIGEST    | equal | equal   |
| incr      | time / server's | 0.12  | <= 0.33 |
| incr      | peak / server's | 0.08  | <= 1.50 |

| ingest | rewrites | seconds | MB/s | CPU s | peak MiB | seconds to durable | at most | wanted |
| ------ | -------- | ------- | ---- | ----- | -------- | ------------------ | ------- | ------ |
| alone  | 0        | 2.0     | 20.0 | 1.00  | 30       | 0.50               | 0.90    | <= 2   |

| measured                                        | unit | plain | real server | sidecar | by plain | by server | wanted                               | reached |
| --------                                        | ---- | ----- | ----------- | ------- | -------- | --------- | ------                               | ------- |
| rewrite, some keys: time                        | s    | 2.00  | 40.00       | 5.00    | 2.50     | 0.12      | <= 3 of plain's; <= 0.25 of server's | yes     |
| rewrite, some keys: processor                   | s    | 1.00  | 1.00        | 1.00    | 1.00     | 1.00      | -                                    | -       |
| rewrite, some keys: peak memory                 | MiB  | -     | 1000        | 80      | -        | 0.080     | <= 0.1 of server's                   | yes     |
| rewrite, incr: time                             | s    | -     | 20.00       | 2.50    | -        | 0.12      | <= 0.33 of server's                  | yes     |
| rewrite, incr: processor                        | s    | -     | 1.00        | 1.00    | -        | 1.00      | -                                    | -       |
| rewrite, incr: peak memory                      | MiB  | -     | 1000        | 80      | -        | 0.080     | <= 1.5 of server's                   | yes     |
| ingest of 20 MB/s alone: durable at most behind | s    | -     | -           | 0.90    | -        | -         | <= 2                                 | yes     |
`, shown(t, r.sheet()))
}

func TestReportWithoutARealReplica(t *testing.T) {
	got := sample(1)
	delete(got, nameReplica)
	r := report{series: []series{{recording: "incr", policy: policyNo, rounds: []round{got}}}}
	out := shown(t, r.sheet())
	require.NotContains(t, out, nameReplica)
	require.Contains(t, out, "| incr   | no          | throughput / bare copy's | 0.50 | -      |")
}

func TestReportTellsOfABrokenTerminal(t *testing.T) {
	r := report{memory: []memory{{took: time.Second}}}
	require.ErrorIs(t, writeTables(&brokenWriter{}, r.sheet().Tables), errBroken)
}
