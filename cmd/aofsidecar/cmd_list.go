package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

const listHelp = `List what an archive holds: its timelines from the oldest to the newest, what of each can be restored, by time and by offset, the gaps in between, its
bases, sizes and pins. It reads names and small records only.

Exit codes: 0 done, also for an archive that is empty; 3 there is no archive.`

func newListCommand(flags *flagLayer) *cobra.Command {
	var asJSON bool
	var url string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what the archive can restore",
		Long:  listHelp,
		Example: `  aofsidecar list
  aofsidecar list --archive s3://backups/prod --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			a, done, err := archiveFor(cmd.Context(), *flags, url)
			if err != nil {
				return err
			}
			defer done(&err)
			listed, err := listArchive(cmd.Context(), a)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), listed)
			}
			return errors.Join(listed.write(cmd.OutOrStdout()), listed.warn(cmd.ErrOrStderr()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addArchiveFlag(cmd, &url)
	return cmd
}

// addArchiveFlag adds the flag that names another archive than the configured one.
func addArchiveFlag(cmd *cobra.Command, url *string) {
	cmd.Flags().StringVar(url, "archive", "", "`URL` of the archive; empty: archive.url")
}

// archiveFor opens the archive that a command is about; done gives it back.
func archiveFor(ctx context.Context, flags flagLayer, url string) (a *archive, done func(*error), err error) {
	effective, err := loadConfig(flags)
	if err != nil {
		return nil, nil, err
	}
	if a, err = openArchive(ctx, effective.config, url); err != nil {
		return nil, nil, err
	}
	return a, a.done, nil
}

// listing is what `list --json` prints: a contract.
type listing struct {
	Archive   string              `json:"archive"`
	Lease     *upload.LeaseRecord `json:"lease"` // null: nobody ever took it
	Timelines []listedTimeline    `json:"timelines"`
	Guarded   *listedGuard        `json:"guarded"` // null: the guard has not tripped
	Bytes     int64               `json:"bytes"`   // of all bases and segments
	Unknown   int                 `json:"unknown_objects"`
	Damaged   []listedDamage      `json:"damaged"` // records that cannot be read
	ahead     string              // of the newest timeline that has times of the future
}

type listedDamage struct {
	Key  string `json:"key"`
	What string `json:"what"`
}

type listedGuard struct {
	Timeline string `json:"timeline"`
	Before   string `json:"before"`
	why      string
}

type listedTimeline struct {
	Timeline     string              `json:"timeline"`
	Epoch        int64               `json:"epoch"` // under which it was created
	Windows      []upload.Window     `json:"windows"`
	Gaps         []upload.Gap        `json:"gaps"`
	Holes        []upload.VerifyHole `json:"holes"` // that no base closes: what is behind cannot be restored
	Bases        []listedBase        `json:"bases"`
	Segments     int                 `json:"segments"`
	SegmentBytes int64               `json:"segment_bytes"`
	Void         int                 `json:"void_objects"` // of a holder that had lost the lease
	Doubtful     int                 `json:"doubtful"`     // objects that a damaged record of an epoch may put aside
	Pin          *upload.PinRecord   `json:"pin"`          // null: it is not pinned
	Kept         []stream.Offset     `json:"kept"`         // before a FLUSHALL
}

type listedBase struct {
	Offset stream.Offset `json:"offset"`
	Time   time.Time     `json:"time"`
	Bytes  int64         `json:"bytes"`
	Key    string        `json:"key"`
}

func listArchive(ctx context.Context, a *archive) (*listing, error) {
	catalog, err := upload.ReadCatalog(ctx, a.store)
	if err != nil {
		return nil, err
	}
	l := &listing{Archive: a.url, Timelines: []listedTimeline{}, Unknown: catalog.Unknown, Damaged: []listedDamage{}}
	if catalog.LeaseErr == nil {
		l.Lease = &catalog.Lease
	} else if !isNotFound(catalog.LeaseErr) {
		return nil, catalog.LeaseErr
	}
	for i := range catalog.Timelines {
		t := listTimeline(&catalog.Timelines[i])
		l.Timelines = append(l.Timelines, t)
		l.Bytes += t.bytes()
		l.ahead = cmp.Or(catalog.Timelines[i].ClockAhead(time.Now()), l.ahead)
	}
	if guard := catalog.Guarded(); guard != nil {
		l.Guarded = &listedGuard{Timeline: guard.Timeline, Before: guard.Before, why: guard.Error()}
	}
	for _, damaged := range catalog.Damaged {
		l.Damaged = append(l.Damaged, listedDamage{Key: damaged.Key, What: damaged.What})
	}
	return l, nil
}

func listTimeline(t *upload.ArchivedTimeline) listedTimeline {
	out := listedTimeline{
		Timeline: t.ID, Epoch: t.Epoch, Windows: t.Windows(), Gaps: []upload.Gap{}, Bases: []listedBase{}, Segments: len(t.Segments),
		Void: len(t.Void), Doubtful: t.Doubtful.Len(), Pin: t.Pin, Kept: []stream.Offset{},
		Holes: slices.DeleteFunc(t.Holes(), func(h upload.VerifyHole) bool { return h.Closed }),
	}
	if out.Holes == nil {
		out.Holes = []upload.VerifyHole{}
	}
	if out.Windows == nil {
		out.Windows = []upload.Window{}
	}
	for i := 1; i < len(out.Windows); i++ {
		out.Gaps = append(out.Gaps, upload.Gap{Timeline: t.ID, From: out.Windows[i-1].To, To: out.Windows[i].From})
	}
	for _, b := range t.Bases {
		out.Bases = append(out.Bases, listedBase{Offset: b.Offset, Time: time.UnixMilli(b.UnixMilli).UTC(), Bytes: b.Bytes, Key: b.String()})
	}
	for _, s := range t.Segments {
		out.SegmentBytes += s.Bytes
	}
	for _, m := range t.Moments {
		out.Kept = append(out.Kept, m.Offset)
	}
	return out
}

// bytes is the size of its objects.
func (t *listedTimeline) bytes() int64 {
	n := t.SegmentBytes
	for _, b := range t.Bases {
		n += b.Bytes
	}
	return n
}

// write writes the list for people.
func (l *listing) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := rowsOf(table)
	row("archive", "%s, %s", l.Archive, humanize.IBytes(uint64(max(0, l.Bytes))))
	if l.Lease != nil {
		state := "held"
		if l.Lease.Released {
			state = "released"
		}
		row("lease", "%s by %s (%s), epoch %d, renewed %s", state, l.Lease.Host, l.Lease.Holder, l.Lease.Epoch, l.Lease.RenewedAt.Format(time.RFC3339))
	}
	if len(l.Timelines) == 0 {
		row("", "nothing yet")
	}
	for i := range l.Timelines {
		l.Timelines[i].write(row)
	}
	if g := l.Guarded; g != nil {
		row("guard", "TRIPPED: %s; restore wants --timeline until `aofsidecar unpin --archive %s`", g.why, g.Before)
	}
	for _, d := range l.Damaged {
		row("DAMAGED", "%s: %s", d.Key, d.What)
	}
	if l.Unknown > 0 {
		row("unknown", "%d objects are none of ours", l.Unknown)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// warn warns of times that do not say what they seem to.
func (l *listing) warn(w io.Writer) error {
	if l.ahead == "" {
		return nil
	}
	if _, err := fmt.Fprintf(w, "note: %s\n", l.ahead); err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	return nil
}

func (t *listedTimeline) write(row func(name, format string, args ...any)) {
	row("timeline", "%s, %d bases, %d segments, %s", t.Timeline, len(t.Bases), t.Segments, humanize.IBytes(uint64(max(0, t.bytes()))))
	if t.Pin != nil {
		row("  pinned", "%s%s, since %s", t.Pin.Reason, noteText(t.Pin.Note), t.Pin.At.Format(time.RFC3339))
	}
	if len(t.Windows) == 0 {
		row("  window", "none: it has no base")
	}
	for i, window := range t.Windows {
		if i > 0 {
			row("  gap", "offsets %d to %d", t.Gaps[i-1].From, t.Gaps[i-1].To)
		}
		row("  window", "%s to %s, offsets %d to %d", window.Begin.Format(time.RFC3339), window.End.Format(time.RFC3339), window.From, window.To)
	}
	for _, h := range t.Holes {
		row("  hole", "offsets %d to %d; %s", h.From, h.To, holeText(h))
	}
	for _, b := range t.Bases {
		row("  base", "%s, offset %d, %s", b.Time.Format(time.RFC3339), b.Offset, humanize.IBytes(uint64(max(0, b.Bytes))))
	}
	for _, offset := range t.Kept {
		row("  kept", "offset %d, before a FLUSHALL", offset)
	}
	if t.Doubtful > 0 {
		row("  in doubt", "%d objects that a damaged record may put aside: restored only with --timeline %s", t.Doubtful, t.Timeline)
	}
	if t.Void > 0 {
		row("  void", "%d objects of a holder that had lost the lease: they do not count", t.Void)
	}
}

func noteText(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}
