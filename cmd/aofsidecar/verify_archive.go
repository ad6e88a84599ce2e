package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/upload"
)

// archiveVerdict is the result of `verify --archive --json`. Its form is a contract.
type archiveVerdict struct {
	Archive string               `json:"archive"`
	Result  string               `json:"result"` // ok, failed or inconclusive
	Detail  string               `json:"detail,omitempty"`
	Objects *upload.VerifyReport `json:"objects,omitempty"`
	Boot    *bootResult          `json:"boot,omitempty"`
	Took    time.Duration        `json:"took_ns"`
}

// archiveChecks says what is looked at.
type archiveChecks struct {
	deep    bool
	boot    bool
	command string
}

// InconclusiveError is a verification that did not find out; the command has printed why.
type InconclusiveError struct{ Why string }

func (e *InconclusiveError) Error() string { return e.Why }

// verifyArchive verifies an archive: that its objects follow one another, what is in them, that a server boots from them. What is wrong with the archive is in the
// verdict; the error says that it could not be found out.
func verifyArchive(ctx context.Context, a *archive, config Config, checks archiveChecks) (*archiveVerdict, error) {
	begun := time.Now()
	v := &archiveVerdict{Archive: a.url, Result: verifiedOK}
	identities, err := config.Archive.identities()
	if err != nil {
		return nil, err
	}
	options := upload.VerifyOptions{Level: upload.VerifyNames, Identities: identities}
	if checks.deep {
		options.Level = upload.VerifyDeep
	}
	report, err := upload.VerifyArchive(ctx, a.store, options)
	if err != nil {
		return nil, err
	}
	v.Objects = &report
	v.judge()
	if checks.boot && v.Result == verifiedOK {
		if err := v.tryBoot(ctx, a, config, checks.command); err != nil {
			return nil, err
		}
	}
	v.Took = time.Since(begun)
	return v, nil
}

// judge says what the report comes to.
func (v *archiveVerdict) judge() {
	var problems []string
	for _, damaged := range v.Objects.Damaged {
		problems = append(problems, damaged.Error())
	}
	windows := 0
	for _, t := range v.Objects.Timelines {
		windows += len(t.Windows)
		for _, h := range t.Holes {
			if h.Open() {
				problems = append(problems, fmt.Sprintf("timeline %s lacks offsets %d to %d", t.Timeline, h.From, h.To))
			}
		}
	}
	switch {
	case len(problems) > 1:
		v.Result, v.Detail = verifiedFailed, fmt.Sprintf("%s, and %d more", problems[0], len(problems)-1)
	case len(problems) == 1:
		v.Result, v.Detail = verifiedFailed, problems[0]
	case windows == 0:
		v.Result, v.Detail = verifiedInconclusive, "there is no base yet: nothing can be restored"
	}
}

// tryBoot boots a server. That the restore before it finds damage is a result, too.
func (v *archiveVerdict) tryBoot(ctx context.Context, a *archive, config Config, command string) error {
	boot, err := bootCheck(ctx, a, config, command)
	if isBroken(err) {
		v.Result, v.Detail = verifiedFailed, err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	v.Boot, v.Result, v.Detail = boot, boot.Result, boot.Detail
	return nil
}

// isBroken reports whether an error says that something is wrong with what the archive holds.
func isBroken(err error) bool {
	if _, ok := errors.AsType[*upload.DamagedError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*upload.HoleError](err); ok {
		return true
	}
	_, ok := errors.AsType[*aof.CorruptError](err)
	return ok
}

// err is what the command ends with; stdout has said it.
func (v *archiveVerdict) err() error {
	switch v.Result {
	case verifiedOK:
		return nil
	case verifiedFailed:
		return &ArchiveBrokenError{Why: v.Detail}
	default:
		return &InconclusiveError{Why: v.Detail}
	}
}

// ArchiveBrokenError is a verification that found something wrong.
type ArchiveBrokenError struct{ Why string }

func (e *ArchiveBrokenError) Error() string { return e.Why }

// holeText says what a hole means.
func holeText(h upload.VerifyHole) string {
	switch {
	case h.Closed:
		return "a base follows it"
	case h.Unconfirmed:
		return "the archive ends before it: a sidecar was killed with segments on their way, or has some right now"
	default:
		return "OPEN: what follows cannot be restored"
	}
}

// write writes the verdict for people.
func (v *archiveVerdict) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := rowsOf(table)
	row("archive", "%s", v.Archive)
	for _, t := range v.Objects.Timelines {
		row("timeline", "%s, %d bases, %d segments", t.Timeline, t.Bases, t.Segments)
		for _, window := range t.Windows {
			row("  window", "%s to %s, offsets %d to %d", window.Begin.Format(time.RFC3339), window.End.Format(time.RFC3339), window.From, window.To)
		}
		for _, h := range t.Holes {
			row("  hole", "offsets %d to %d; %s", h.From, h.To, holeText(h))
		}
	}
	if v.Objects.Level == upload.VerifyDeep {
		row("read", "%d objects, %s", v.Objects.Objects, bytesText(v.Objects.Bytes))
	}
	for _, damaged := range v.Objects.Damaged {
		row("damaged", "%s", damaged.Error())
	}
	if b := v.Boot; b != nil {
		row("boot", "%s: %s", b.Result, b.Detail)
	}
	if v.Detail != "" && v.Boot == nil {
		row("result", "%s: %s", v.Result, v.Detail)
	} else {
		row("result", "%s", v.Result)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
