package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `Mirror a live Redis or Valkey into an append-only directory that a stock server boots from, ship that to an archive, and restore it from there
to any moment.

Settings come from flags, from AOFSIDECAR_<SECTION>_<KEY>, from a file (--config, else AOFSIDECAR_CONFIG, else
/etc/aofsidecar/config.yaml if it exists) and from defaults; the first of them that has a value wins.

Exit codes: 0 done, or nothing to do with an --if-* flag, 1 failed, 2 usage or configuration, 3 nothing there or no backup found,
4 the target is not empty, 5 corrupt or a hole in the chain, 6 outside the window or a guarded timeline, 7 held or written to by another
process, or not our directory, 8 the engine cannot load this, 9 the disk failed.`

// newRootCommand returns the command tree. Each call has flags of its own.
func newRootCommand() *cobra.Command {
	var flags flagLayer
	root := &cobra.Command{
		Use:           "aofsidecar",
		Short:         "Mirror a live Redis or Valkey into an append-only directory",
		Long:          rootHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &UsageError{Err: flagError(err), Hint: cmd.CommandPath() + " --help"}
	})
	persistent := root.PersistentFlags()
	persistent.StringVar(&flags.configPath, "config", "", "configuration `file`")
	persistent.StringVar(&flags.logLevel, "log-level", "", "debug, info, warn or error")
	persistent.StringArrayVar(&flags.set, "set", nil, "set one key, `section.key=value`; may be repeated")
	root.AddCommand(
		newRunCommand(&flags),
		newStatusCommand(&flags),
		newRestoreCommand(&flags),
		newListCommand(&flags),
		newVerifyCommand(&flags),
		newInspectCommand(&flags),
		newRewriteCommand(&flags),
		newPruneCommand(&flags),
		newPinCommand(&flags),
		newUnpinCommand(&flags),
		newDoctorCommand(&flags),
		newConfigCommand(&flags),
		newVersionCommand(),
		newManCommand(),
	)
	return root
}

// unknownCommand refuses words after the root that are no command. Only what is near to one is repeated.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return unexpected(cmd, "unknown command")
	}
	return &UsageError{Err: fmt.Errorf("unknown command %q", args[0]), Hint: "aofsidecar " + strings.Join(near, ", or aofsidecar ")}
}

// noArgs refuses positional arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unexpected(cmd, "unexpected argument: "+cmd.Name()+" takes none")
}

// printJSON writes v as the one JSON value of a command's output.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
