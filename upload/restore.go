package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Format is what a restore makes.
type Format string

// The formats.
const (
	// FormatAOF is a multi-part AOF, as the sidecar writes it: a server boots from it, and a sidecar goes on with it.
	FormatAOF Format = "aof"
	// FormatRDB is one dump.rdb.
	FormatRDB Format = "rdb"
	// FormatRESP is one file of commands, for redis-cli --pipe.
	FormatRESP Format = "resp-file"
)

// FoldFile is a base or an increment that was restored.
type FoldFile struct {
	Name string // for errors
	R    io.ReaderAt
	Size int64
}

// Folder writes base and increments as one file of the format to out, which is then synced. It returns an *EngineError where the format cannot hold
// what they have.
type Folder func(ctx context.Context, base, increment FoldFile, format Format, out io.Writer) error

// RestoreOptions say what is restored to where. Of Dir, all else is optional.
type RestoreOptions struct {
	Target
	// Dir gets the result; it is made if need be. It may be a mount point.
	Dir string
	// Force replaces what is there of the same name. The old one stays beside it, as <name>.before-restore, until the next restore by force.
	Force bool
	// DryRun finds out and checks all that can be told without the data, and changes nothing.
	DryRun bool
	// Parallelism is how many downloads run beside one another, each with 4 MiB of memory; default 16.
	Parallelism int
	// Identities open what is encrypted.
	Identities []age.Identity
	// Engine is the server that is to load the result; the zero value: any.
	Engine Engine
	// Format is what is made; default FormatAOF. For the others Fold must be set.
	Format Format
	Fold   Folder
	// DirName and FileName are appenddirname and appendfilename; defaults as in redis.conf. Letters, digits, dots, dashes and underscores.
	DirName, FileName string

	FS fsx.FS // default the operating system's
	// Progress, if set, is called now and then, also from several goroutines.
	Progress func(RestoreProgress)
	// Note, if set, is told what an operator may want to know.
	Note func(what string)
}

// RestoreProgress is how far a restore got.
type RestoreProgress struct {
	Phase        RestorePhase
	Bytes, Total int64 // of the objects
}

// RestorePhase is what a restore is doing.
type RestorePhase string

// The phases, in their order.
const (
	PhaseDownload RestorePhase = "download" // and verify
	PhaseFold     RestorePhase = "fold"     // of other formats than FormatAOF
	PhaseInstall  RestorePhase = "install"
)

// RestoreReport is what a restore made, or would make.
type RestoreReport struct {
	Archive  string        `json:"archive"`
	Timeline string        `json:"timeline"`
	ReplID   string        `json:"replid,omitempty"` // not of a dry run
	Offset   stream.Offset `json:"offset"`           // of a dry run: at most
	Time     time.Time     `json:"time"`             // when what is there had been received; of a dry run: at most
	Window   Window        `json:"window"`

	Base     string `json:"base"`     // the object's key
	Segments int    `json:"segments"` // how many were read
	Bytes    int64  `json:"bytes"`    // of all objects
	Keys     int64  `json:"keys"`     // of the base; -1: not known
	Commands int64  `json:"commands"` // behind the base

	Path     string        `json:"path"`           // of the result
	Kept     string        `json:"kept,omitempty"` // what was there before
	Took     time.Duration `json:"took"`
	Settings []string      `json:"settings"` // lines of a server's configuration that the result needs
	Notes    []string      `json:"notes,omitempty"`
}

// defaultParallelism is how many downloads run beside one another.
const defaultParallelism = 16

// relists is how often an archive is listed again because objects went that were to be read.
const relists = 5

// plainName is what names of ours consist of: no manifest quotes them, and none leads elsewhere.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)

func (o RestoreOptions) withDefaults() (RestoreOptions, error) {
	o.DirName = cmp.Or(o.DirName, "appendonlydir")
	o.FileName = cmp.Or(o.FileName, "appendonly.aof")
	o.Format = cmp.Or(o.Format, FormatAOF)
	o.Parallelism = cmp.Or(o.Parallelism, defaultParallelism)
	if o.FS == nil {
		o.FS = fsx.OS{}
	}
	if o.Progress == nil {
		o.Progress = func(RestoreProgress) {}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no directory given"))
	}
	for _, name := range []string{o.DirName, o.FileName} {
		if !plainName.MatchString(name) {
			errs = append(errs, fmt.Errorf("%.40q is not a plain file name", name))
		}
	}
	switch o.Format {
	case FormatAOF:
	case FormatRDB, FormatRESP:
		if o.Fold == nil {
			errs = append(errs, fmt.Errorf("format %s is not available", o.Format))
		}
	default:
		errs = append(errs, fmt.Errorf("format is %q: want aof, rdb or resp-file", o.Format))
	}
	if o.Parallelism < 1 {
		errs = append(errs, errors.New("parallelism must be at least 1"))
	}
	if o.Timeline != "" {
		errs = append(errs, CheckTimeline(o.Timeline))
	}
	if o.Offset != nil && !o.Time.IsZero() {
		errs = append(errs, errors.New("give an offset or a time, not both"))
	}
	return o, errors.Join(errs...)
}

// resultName is the name in the directory that the restore makes.
func (o RestoreOptions) resultName() string {
	switch o.Format {
	case FormatRDB:
		return "dump.rdb"
	case FormatRESP:
		return "commands.resp"
	case FormatAOF:
	}
	return o.DirName
}

// CheckTarget looks whether a restore may write to the directory, before an archive is opened, and changes nothing. Errors: ErrTargetNotEmpty, ErrInterrupted; others are the disk's,
// or of options that are wrong.
func CheckTarget(opt RestoreOptions) error {
	opt, err := opt.withDefaults()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	t := target{fs: opt.FS, dir: opt.Dir, name: opt.resultName(), force: opt.Force}
	return t.check()
}

// Restore brings a state back out of an archive. The directory changes by one rename at the end, when all was verified and synced; before, and after a crash or an
// error at any moment, nothing in it has changed but that .aofsidecar-restore may be there, which the next restore removes.
//
// Errors: ErrTargetNotEmpty, ErrInterrupted, ErrHeld, ErrNoBackup, *WindowError, *HoleError, *GuardError, *DoubtError, *DamagedError, *IdentityError, *EngineError, *SpaceError; others
// are the store's or the disk's, and ctx's cause.
func Restore(ctx context.Context, store Store, opt RestoreOptions) (RestoreReport, error) {
	begun := time.Now()
	opt, err := opt.withDefaults()
	if err != nil {
		return RestoreReport{}, fmt.Errorf("restore: %w", err)
	}
	r := &restore{store: store, opt: opt, opener: NewOpener(opt.Identities)}
	r.target = target{fs: opt.FS, dir: opt.Dir, name: opt.resultName(), force: opt.Force}
	if err := r.target.check(); err != nil {
		return RestoreReport{}, err
	}
	for try := 1; ; try++ {
		err = r.once(ctx)
		if !errors.Is(err, ErrNotFound) || try == relists {
			break
		}
		r.note(fmt.Sprintf("%v: the archive is listed again", err))
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return r.report, errors.Join(err, r.target.abandon())
	}
	r.report.Took = time.Since(begun)
	return r.report, nil
}

// restore is one restore on its way.
type restore struct {
	store  Store
	opt    RestoreOptions
	opener *Opener
	target target
	report RestoreReport
	staged stagedBase
}

func (r *restore) note(what string) {
	r.report.Notes = append(r.report.Notes, what)
	r.opt.Note(what)
}

// once is one try, from the listing on.
func (r *restore) once(ctx context.Context) error {
	catalog, err := ReadCatalog(ctx, r.store)
	if err != nil {
		return err
	}
	plan, err := catalog.Plan(r.opt.Target)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(catalog.Timelines, func(t ArchivedTimeline) bool { return t.ID == plan.Timeline })
	line := &catalog.Timelines[i]
	if plan.Cut == (Cut{}) && line.Once > plan.Window.To {
		r.note(fmt.Sprintf("the archive says that offset %d of the timeline was stored once, and what is there ends at %d: the rest was removed, or put aside by who took over", line.Once, plan.Window.To))
	}
	if hole := plan.Hole; hole != nil {
		r.note(fmt.Sprintf("the archive ends at offset %d: behind it the bytes up to %d are missing, of which nothing says that they ever were stored; segments of a sidecar that was killed, or is at work, are behind that",
			hole.Missing.From, hole.Missing.To))
	}
	if plan.Doubt != nil {
		r.note(plan.Doubt.Error())
	}
	if !r.opt.Time.IsZero() {
		if ahead := line.ClockAhead(time.Now()); ahead != "" {
			r.note(ahead)
		}
	}
	r.promise(plan)
	need, err := r.preview(ctx, plan)
	if err != nil {
		return err
	}
	if err := r.target.room(need); err != nil {
		return err
	}
	if r.opt.DryRun {
		return nil
	}
	return r.make(ctx, plan)
}

// promise says what the plan will give.
func (r *restore) promise(plan *Plan) {
	last := plan.Window.To
	if plan.Cut.Offset != nil {
		last = min(last, *plan.Cut.Offset)
	}
	end := plan.Window.End
	if plan.Cut.UnixMilli != 0 {
		end = time.UnixMilli(min(plan.Cut.UnixMilli, end.UnixMilli())).UTC()
	}
	r.report = RestoreReport{
		Archive: r.store.String(), Timeline: plan.Timeline, Offset: last, Time: end, Window: plan.Window,
		Base: plan.Base.String(), Segments: len(plan.Segments), Bytes: plan.Bytes(), Keys: -1,
		Path: filepath.Join(r.opt.Dir, r.target.name), Settings: r.settings(0), Notes: r.report.Notes,
	}
}

// make downloads, verifies and installs.
func (r *restore) make(ctx context.Context, plan *Plan) error {
	keep := ""
	if r.staged.key == plan.Base.BaseKey {
		keep = stagedBaseName
	}
	if err := r.target.stage(keep); err != nil {
		return err
	}
	s, err := r.download(ctx, plan)
	if err != nil {
		return err
	}
	if err := r.engine(s.base); err != nil {
		return err
	}
	if err := r.assemble(ctx, plan, s); err != nil {
		return err
	}
	r.opt.Progress(RestoreProgress{Phase: PhaseInstall, Bytes: plan.Bytes(), Total: plan.Bytes()})
	kept, err := r.target.install()
	if err != nil {
		return err
	}
	to := s.joined.To
	r.report.ReplID, r.report.Offset = to.Position.ReplID.String(), to.Position.Offset
	r.report.Time = time.UnixMilli(to.UnixMilli).UTC()
	r.report.Keys, r.report.Commands, r.report.Kept = s.base.keys, s.joined.Commands, kept
	r.report.Settings = r.settings(max(s.base.maxDB, s.joined.MaxDB))
	return nil
}

// settings are the lines that a server's configuration needs.
func (r *restore) settings(maxDB int) []string {
	var lines []string
	switch r.opt.Format {
	case FormatAOF:
		lines = []string{"dir " + r.opt.Dir, "appendonly yes", "appenddirname " + r.opt.DirName, "appendfilename " + r.opt.FileName}
	case FormatRDB:
		lines = []string{"dir " + r.opt.Dir, "dbfilename " + r.target.name, "appendonly no"}
	case FormatRESP:
	}
	if maxDB >= defaultDatabases {
		lines = append(lines, fmt.Sprintf("databases %d", maxDB+1))
	}
	return lines
}

// defaultDatabases is how many databases a server has unless it is told otherwise.
const defaultDatabases = 16
