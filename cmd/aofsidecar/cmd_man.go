package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/internal/manpage"
)

// newManCommand returns the command that `make man` and the release call. It is hidden: who installs a release has the pages already.
func newManCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:    "man",
		Short:  "Write a man page for each command",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				return &UsageError{Err: errors.New("--output is missing"), Hint: "aofsidecar man --output DIR"}
			}
			return manpage.Write(output, cmd.Root(), buildVersion().Version)
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "`folder` to write them to")
	return cmd
}
