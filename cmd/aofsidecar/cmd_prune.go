package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/upload"
)

const pruneHelp = `Show what retention (archive.retention) would remove from the archive now, and with --confirm remove it. A running sidecar does the same by itself once an hour; this is for an
archive that none ships to any more, or whose sidecar may not remove anything. It takes no lease and waits for none: who ships meanwhile is named, and should have the same
archive.retention, or what it means to keep goes here. What is shipped meanwhile is not touched.

It never removes the newest base or what follows it, what is younger than archive.retention.duration needs, archive.retention.min-bases bases with what follows
them, a pinned timeline, or what leads up to the moment before a FLUSHALL. Objects that the store does not let go of, because of object lock or a denied DeleteObject, stay and
are counted: that is no error.

Exit codes: 0 done, or nothing to do; 3 there is no archive.`

// pruned is what `prune --json` prints: a contract.
type pruned struct {
	Archive   string               `json:"archive"`
	Confirmed bool                 `json:"confirmed"`
	Plan      upload.PrunePlan     `json:"plan"`
	Result    *upload.PruneResult  `json:"result"` // null without --confirm
	Retained  []upload.PruneObject `json:"retained,omitempty"`
	Holder    *upload.LeaseRecord  `json:"holder"` // who ships there, as it seems; null: nobody
}

func newPruneCommand(flags *flagLayer) *cobra.Command {
	var asJSON, confirm bool
	var url string
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove from the archive what retention does not keep",
		Long:  pruneHelp,
		Example: `  aofsidecar prune
  aofsidecar prune --confirm --set archive.retention.duration=72h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			effective, err := loadConfig(*flags)
			if err != nil {
				return err
			}
			a, err := openArchive(cmd.Context(), effective.config, url)
			if err != nil {
				return err
			}
			defer a.done(&err)
			result, err := prune(cmd, a, effective.config.Archive, confirm)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return result.write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&confirm, "confirm", false, "remove it; without, nothing is changed")
	addArchiveFlag(cmd, &url)
	return cmd
}

func prune(cmd *cobra.Command, a *archive, config ArchiveConfig, confirm bool) (*pruned, error) {
	plan, err := upload.Prune(cmd.Context(), a.store, *config.policy(), time.Now())
	if err != nil {
		return nil, err
	}
	if plan.Objects == nil {
		plan.Objects = []upload.PruneObject{}
	}
	result := &pruned{Archive: a.url, Confirmed: confirm, Plan: plan}
	if lease, err := upload.ReadLease(cmd.Context(), a.store); err == nil && !lease.Released {
		result.Holder = &lease
	} else if err != nil && !isNotFound(err) {
		return nil, err
	}
	if !confirm {
		return result, nil
	}
	applied, err := plan.Apply(cmd.Context(), a.store, func(o upload.PruneObject, err error) {
		if errors.Is(err, upload.ErrRetained) {
			result.Retained = append(result.Retained, o)
		}
	})
	result.Result = &applied
	return result, err
}

// write writes the result for people.
func (p *pruned) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := rowsOf(table)
	row("archive", "%s", p.Archive)
	if p.Holder != nil {
		row("holder", "%s ships there, as of %s: its archive.retention should be the one here", rivalName(p.Holder), p.Holder.RenewedAt.Format(time.RFC3339))
	}
	for _, o := range p.Plan.Objects {
		row(o.Why, "%s, %s", o.Key, bytesText(o.Bytes))
	}
	switch r := p.Result; {
	case len(p.Plan.Objects) == 0:
		row("result", "nothing to remove")
	case r == nil:
		row("result", "%d objects, %s, would be removed; with --confirm they are", len(p.Plan.Objects), bytesText(p.Plan.Bytes))
	case r.Retained > 0:
		row("result", "%d objects, %s, were removed; %d are not let go of by the store", r.Removed, bytesText(r.Bytes), r.Retained)
	default:
		row("result", "%d objects, %s, were removed", r.Removed, bytesText(r.Bytes))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
