package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// result is what one part found, and how: what is kept of it in a file.
type result struct {
	Part    string    `json:"part"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Load    string    `json:"load"`   // the load average of the minute before
	Others  float64   `json:"others"` // the part of all cores that others took meanwhile
	Scale   float64   `json:"scale"`
	Rounds  int       `json:"rounds"`
	Machine machine   `json:"machine"`
	Sheet   sheet     `json:"sheet"`
}

// measure measures one part.
func (b *bench) measure(ctx context.Context, p part) (got result, err error) {
	got = result{Part: p.String(), Began: time.Now().UTC(), Load: load(), Scale: b.scale, Rounds: b.rounds}
	if got.Machine, err = b.describe(ctx); err != nil {
		return got, err
	}
	before, err := countBusy()
	if err != nil {
		return got, err
	}
	var r report
	if err := p.run(ctx, &r); err != nil {
		return got, err
	}
	after, err := countBusy()
	if err != nil {
		return got, err
	}
	got.Others = after.others(before, got.Machine.Cores)
	got.Seconds = time.Since(got.Began).Seconds()
	got.Sheet = r.sheet()
	return got, nil
}

// load returns the load average of the last minute.
func load() string {
	raw, _ := os.ReadFile("/proc/loadavg") // absent is like silent
	minute, _, _ := strings.Cut(string(raw), " ")
	return minute
}

// resultsDir is where results of this scale are kept: those of a quick look do not mix with others.
func (b *bench) resultsDir() string {
	if b.scale == 1 {
		return b.results
	}
	return filepath.Join(b.results, fmt.Sprintf("scale-%g", b.scale))
}

func (b *bench) resultPath(part string) string { return filepath.Join(b.resultsDir(), part+".json") }

// keep writes a result in place of an older one.
func (b *bench) keep(r result) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	path := b.resultPath(r.Part)
	err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, append(text, '\n'), 0o644)) //nolint:gosec // anybody may read it
	if err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	return nil
}

// kept returns the newest result of a part, false if there is none.
func (b *bench) kept(part string) (r result, there bool, err error) {
	text, err := os.ReadFile(b.resultPath(part))
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("read result: %w", err)
	}
	return r, true, nil
}
