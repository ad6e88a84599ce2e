package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// part is what is measured by itself: its result is kept, and the page is put together from the newest of each.
type part struct {
	section string // of the page
	name    string // within the section; empty: it is all of it
	rounds  int    // by default
	run     func(context.Context, *report) error
}

// String returns what -parts calls it.
func (p part) String() string {
	if p.name == "" {
		return p.section
	}
	return p.section + "-" + p.name
}

// The sections of the page.
const (
	sectionIngest   = "ingest"
	sectionMemory   = "memory"
	sectionRestart  = "restart"
	sectionUpstream = "upstream"
	sectionDurable  = "durable"
	sectionRates    = "rates"
	sectionSize     = "size"
	sectionRewrite  = "rewrite"
	sectionArchive  = "archive"
)

// sections lists them in the order of the summary.
func sections() []string {
	return []string{
		sectionIngest, sectionMemory, sectionRestart, sectionUpstream, sectionDurable, sectionRates, sectionSize, sectionRewrite, sectionArchive,
	}
}

// Default rounds: of what takes seconds, of what takes longer, and of what is long by itself.
const (
	manyRounds = 5
	someRounds = 3
	oneRound   = 1
)

// allParts lists what there is to measure, in the order of the page.
func (b *bench) allParts() []part {
	parts := []part{
		{sectionIngest, "mixed", manyRounds, b.ingestMixed},
		{sectionIngest, "incr", manyRounds, b.ingestIncr},
		{sectionIngest, "publish", manyRounds, b.ingestPublish},
		{sectionIngest, "long", manyRounds, b.ingestLong},
		{sectionMemory, "", oneRound, b.rememberAll},
		{sectionRestart, "", oneRound, b.restartAll},
		{sectionUpstream, "full", someRounds, b.liveFull},
		{sectionUpstream, "paced", someRounds, b.livePaced},
		{sectionDurable, "", oneRound, b.fackAll},
		{sectionRates, "", oneRound, b.paceAll},
	}
	for _, gib := range sizes() {
		parts = append(parts, part{sectionSize, fmt.Sprint(gib), oneRound, func(ctx context.Context, r *report) error { return b.sizeOf(ctx, r, gib) }})
	}
	for i, name := range []string{shortTouched, shortIncr, shortMixed} {
		parts = append(parts, part{sectionRewrite, name, someRounds, func(ctx context.Context, r *report) error {
			return b.rewriteOne(ctx, r, b.rewriteCases()[i])
		}})
	}
	return append(parts,
		part{sectionRewrite, "lag", oneRound, b.lagAll},
		part{sectionArchive, "transfer", someRounds, b.withVault(b.transferAll)},
		part{sectionArchive, "segments", someRounds, b.withVault(b.piecesAll)},
		part{sectionArchive, "arrival", oneRound, b.withVault(b.arriveAll)},
		part{sectionArchive, "base", oneRound, func(ctx context.Context, r *report) error { return b.weighLarge(ctx, &r.archive) }},
		part{sectionArchive, "requests", oneRound, b.withVault(b.countAll)},
	)
}

// chosen returns the parts that a comma-separated list names, one by one or by section; all if it is empty.
func (b *bench) chosen(list string) ([]part, error) {
	all := b.allParts()
	if list == "" {
		return all, nil
	}
	var (
		parts []part
		errs  []error
	)
	for word := range strings.SplitSeq(list, ",") {
		named := slices.DeleteFunc(slices.Clone(all), func(p part) bool { return p.section != word && p.String() != word })
		if len(named) == 0 {
			errs = append(errs, fmt.Errorf("-parts has %q: there are %s", word, strings.Join(names(all), ", ")))
		}
		parts = append(parts, named...)
	}
	return parts, errors.Join(errs...)
}

func names(parts []part) []string {
	var list []string
	for _, p := range parts {
		list = append(list, p.String())
	}
	return list
}

// measureAll measures the chosen parts, one after the other, and keeps the result of each. One that fails does not keep the others from being measured.
func (b *bench) measureAll(ctx context.Context) ([]result, error) {
	var (
		results []result
		errs    []error
	)
	asked := b.rounds
	for _, p := range b.parts {
		b.rounds = cmp.Or(asked, p.rounds)
		b.say("== %s", p)
		got, err := b.measure(ctx, p)
		if err == nil {
			err = b.keep(got)
		}
		if ctx.Err() != nil {
			return results, fmt.Errorf("%s: %w", p, errors.Join(err, context.Cause(ctx)))
		}
		if err != nil {
			b.say("%s: %v", p, err)
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
			continue
		}
		results = append(results, got)
	}
	return results, errors.Join(errs...)
}
