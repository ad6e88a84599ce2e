package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// transferBytes is the size of the base that is shipped and restored by a full run.
const transferBytes = 2 << 30

// The names of what is compared, and of those who are.
const (
	nameShip    = "ship"
	nameRestore = "restore"
	namePlain   = "plain"
	nameZstd    = nameSidecar + ", " + compressZstd
	nameNone    = nameSidecar + ", " + compressNone

	// The settings of archive.compression. zstd is at its fastest level ("1").
	compressZstd = "zstd"
	compressNone = "none"
)

// moved is what it took to bring bytes into the store, or back.
type moved struct {
	bytes  int64 // plain
	stored int64 // bytes of what is in the store
	took   time.Duration
	cpu    time.Duration
	peak   int64
}

func (m moved) rate() float64 { return float64(m.bytes) / m.took.Seconds() }

// moves is one round of both directions: by direction, and by who.
type moves map[string]map[string]moved

// transferAll measures some rounds of all. All have the same base: a directory that a sidecar left, from which new ones are linked.
func (b *bench) transferAll(ctx context.Context, v *vault, r *archiveReport) (err error) {
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	size := int64(b.scaled(transferBytes))
	if err := wantRoom(b.dir, 4*size); err != nil {
		return err
	}
	alive, from, err := b.open(ctx, sidecar(b.sidecar), policyEverySec, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if _, err := from.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin }); err != nil {
		return err
	}
	if err := from.child.kill(); err != nil {
		return err
	}
	for range b.rounds {
		got, err := b.transferRound(ctx, v, from)
		if err != nil {
			return err
		}
		r.moves = append(r.moves, got)
	}
	return nil
}

func (b *bench) transferRound(ctx context.Context, v *vault, from *session) (moves, error) {
	got := moves{nameShip: {}, nameRestore: {}}
	tell := func(direction, who string, m moved) {
		b.say("%-7s %-13s %6.0f MB/s, %5.2f CPU s, peak %4.0f MiB", direction, who, m.rate()/megabyte, m.cpu.Seconds(), float64(m.peak)/mebibyte)
		got[direction][who] = m
	}
	there, back, err := b.movePlain(ctx, v, from.dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", namePlain, err)
	}
	tell(nameShip, namePlain, there)
	tell(nameRestore, namePlain, back)
	for _, kind := range []string{compressZstd, compressNone} {
		there, err := b.ship(ctx, v, from, kind)
		if err != nil {
			return nil, fmt.Errorf("ship with compression %s: %w", kind, err)
		}
		tell(nameShip, nameSidecar+", "+kind, there)
		back, err := b.restore(ctx, v, kind)
		if err != nil {
			return nil, fmt.Errorf("restore with compression %s: %w", kind, err)
		}
		back.stored = there.stored
		tell(nameRestore, nameSidecar+", "+kind, back)
		if err := v.empty(); err != nil {
			return nil, err
		}
	}
	return got, nil
}

// movePlain measures a plain PUT of the base, and a plain GET of what came of it.
func (b *bench) movePlain(ctx context.Context, v *vault, from string) (there, back moved, err error) {
	const key = "plain"
	base, err := onlyBase(from)
	if err != nil {
		return there, back, err
	}
	info, err := os.Stat(base)
	if err != nil {
		return there, back, fmt.Errorf("find base: %w", err)
	}
	dir, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return there, back, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir), v.empty()) }()
	move := func(direction, path string) (moved, error) {
		if err := b.settleMoves(); err != nil {
			return moved{}, err
		}
		done, err := finish(ctx, dir, []string{b.self, plainMode, direction, v.gateway.Endpoint(), key, path})
		return moved{bytes: info.Size(), stored: info.Size(), took: done.took, cpu: done.cpu, peak: done.peak}, err
	}
	if there, err = move(directionPut, base); err != nil {
		return there, back, err
	}
	back, err = move(directionGet, filepath.Join(dir, "copy"))
	return there, back, err
}

// ship measures a sidecar that starts on what another one left, from its start until it acknowledges the base as shipped.
func (b *bench) ship(ctx context.Context, v *vault, from *session, compression string) (m moved, err error) {
	s := &session{}
	if s.dir, err = copyOf(b.dir, from.dir); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.upstream, err = listen(ctx, 0); err != nil {
		return m, err
	}
	if err := b.settleMoves(); err != nil {
		return m, err
	}
	base, err := onlyBase(s.dir)
	if err != nil {
		return m, err
	}
	info, err := os.Stat(base)
	if err != nil {
		return m, fmt.Errorf("find base: %w", err)
	}
	m.bytes = info.Size()
	shipping := sidecar(b.sidecar, v.settings(compression, "archive.compression="+compression)...)
	begin := time.Now()
	alive, err := s.start(ctx, shipping.argv(s.dir, s.upstream.addr(), policyEverySec))
	if err != nil {
		return m, err
	}
	if !s.link.resumed {
		return m, errors.New("the sidecar did not go on with what was there")
	}
	shipped, err := s.link.nudge(alive, func(p progress) bool { return p.fack >= streamOrigin })
	if err != nil {
		return m, err
	}
	m.took = shipped.Sub(begin)
	if m.cpu, err = s.child.cpu(); err != nil {
		return m, err
	}
	if m.peak, err = s.child.peak(); err != nil {
		return m, err
	}
	if err := s.child.kill(); err != nil { // nothing more is stored
		return m, err
	}
	m.stored, err = v.size(compression)
	return m, err
}

// copyOf makes a directory below parent with the log of from. Bases are linked: nobody writes into them.
func copyOf(parent, from string) (string, error) {
	dir, err := os.MkdirTemp(parent, "run")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	base, err := onlyBase(from)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	err = filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		to := filepath.Join(dir, rel)
		switch {
		case err != nil || rel == ".":
			return err
		case entry.IsDir():
			return os.Mkdir(to, dirMode)
		case path == base:
			return os.Link(path, to)
		case !entry.Type().IsRegular(): // the socket
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, fileMode)
	})
	if err != nil {
		return "", errors.Join(fmt.Errorf("copy log: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// onlyBase returns the path of the base in dir.
func onlyBase(dir string) (string, error) {
	found, err := filepath.Glob(inAppendDir(dir, "*.base.rdb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("find base: there are %d: %w", len(found), err)
	}
	return found[0], nil
}
