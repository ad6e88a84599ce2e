package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

const doctorHelp = `Look at the upstream, the disk and the configuration, and say what will work, what will surprise, and what to do
about it. Nothing is changed and no snapshot is asked for. The exit code is 1 if a check fails; a warning is no failure.

With archive.url it tries the archive, too: PUT, GET, LIST, conditional and multipart PUT, encryption, and DELETE, which need not be allowed, on scratch keys below doctor/.`

func newDoctorCommand(flags *flagLayer) *cobra.Command {
	var asJSON bool
	var measure time.Duration
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Check whether the upstream can be mirrored well, and the archive be used",
		Long:    doctorHelp,
		Example: `  aofsidecar doctor --set upstream.addr=redis:6379`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if measure <= 0 {
				return &UsageError{Err: errors.New("--measure must be more than 0s"), Hint: cmd.CommandPath() + " --help"}
			}
			effective, err := loadConfig(*flags)
			if err != nil {
				return err
			}
			facts := gatherFacts(cmd.Context(), effective.config, measure)
			findings := append(facts.findings(), archiveFindings(cmd.Context(), effective.config)...)
			report := newReport(findings, effective.config.Upstream.Username)
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.write(cmd.OutOrStdout())
			}
			if err == nil && !report.OK {
				return &NotReadyError{Why: "a check failed"}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().DurationVar(&measure, "measure", 3*time.Second, "how long to measure the write rate")
	return cmd
}
