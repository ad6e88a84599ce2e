package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// optionalURL is a flag --archive that may be without a URL, which then is archive.url. pflag takes a value only behind a =, so that the URL of `--archive s3://bucket` is
// a positional argument: see take.
type optionalURL struct {
	given bool
	url   string
}

func addOptionalArchiveFlag(cmd *cobra.Command, o *optionalURL, usage string) {
	cmd.Flags().Var(o, "archive", usage+"; without a `URL` archive.url")
	cmd.Flags().Lookup("archive").NoOptDefVal = configuredURL
}

// configuredURL is what the flag has without a value; it is no URL.
const configuredURL = "archive.url"

// String is for pflag.
func (o *optionalURL) String() string { return o.url }

// Type is for pflag.
func (o *optionalURL) Type() string { return "URL" }

// Set is for pflag.
func (o *optionalURL) Set(text string) error {
	o.given = true
	if text != configuredURL {
		o.url = text
	}
	return nil
}

// take returns the arguments without the one that is the flag's URL.
func (o *optionalURL) take(args []string) []string {
	if !o.given || o.url != "" || len(args) == 0 || !strings.Contains(args[0], "://") {
		return args
	}
	o.url = args[0]
	return args[1:]
}
