package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/upload"
)

const pinHelp = `Keep a timeline of the archive from retention, whatever its age, until it is unpinned. A pin is a small object beside the timeline's: no sidecar need be
running.

Exit codes: 0 done, or pinned already; 3 there is no such archive or timeline.`

func newPinCommand(flags *flagLayer) *cobra.Command {
	var at optionalURL
	var note string
	cmd := &cobra.Command{
		Use:     "pin TIMELINE",
		Short:   "Keep a timeline of the archive from retention",
		Long:    pinHelp,
		Example: `  aofsidecar pin --note "before the migration" 1763800000-5d1f0a92`,
		Args:    func(_ *cobra.Command, args []string) error { return oneTimeline(at.take(args), "aofsidecar list") },
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			a, done, err := archiveFor(cmd.Context(), *flags, at.url)
			if err != nil {
				return err
			}
			defer done(&err)
			timeline := last(args)
			if err := hasTimeline(cmd, a, timeline); err != nil {
				return err
			}
			record := upload.PinRecord{Reason: upload.PinOperator, Note: note, At: time.Now().UTC()}
			if err := upload.PinTimeline(cmd.Context(), a.store, timeline, record); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "timeline %s is pinned\n", timeline)
			return err
		},
	}
	addOptionalArchiveFlag(cmd, &at, "of this archive")
	cmd.Flags().StringVar(&note, "note", "", "`why`, for those who ask later")
	return cmd
}

// oneTimeline refuses other than one argument that is a timeline's name. It repeats none.
func oneTimeline(args []string, hint string) error {
	if len(args) != 1 {
		return &UsageError{Err: errors.New("want one timeline"), Hint: hint}
	}
	return nil
}

func last(args []string) string { return args[len(args)-1] }

// hasTimeline refuses a timeline that the archive does not have.
func hasTimeline(cmd *cobra.Command, a *archive, id string) error {
	if upload.CheckTimeline(id) != nil {
		return &UsageError{Err: errors.New("that is not the name of a timeline"), Hint: "aofsidecar list"}
	}
	for _, err := range a.store.List(cmd.Context(), upload.TimelinePrefix(id), "") {
		return err // there is something, or the archive does not say
	}
	return fmt.Errorf("%w: %s has no timeline %s", upload.ErrNoBackup, a.url, id)
}

// unpinArchived gives a timeline of the archive back to retention.
func unpinArchived(cmd *cobra.Command, flags flagLayer, url, timeline string) (err error) {
	a, done, err := archiveFor(cmd.Context(), flags, url)
	if err != nil {
		return err
	}
	defer done(&err)
	if err := hasTimeline(cmd, a, timeline); err != nil {
		return err
	}
	if err := upload.UnpinTimeline(cmd.Context(), a.store, timeline); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "timeline %s of the archive is released\n", timeline)
	return err
}
