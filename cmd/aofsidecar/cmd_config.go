package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

const configHelp = `Print the effective configuration: every key with the value that 'run' would use. Secrets print as ***.
A configuration that 'run' would refuse is reported instead, all mistakes at once, and the exit code is 2.

In the file, ${NAME} stands for an environment variable, which must be set; $${ stands for the characters ${.
Sizes are redis.conf's: 64mb is 64*1024*1024 bytes, 64m is 64,000,000. Durations have a unit: 30s, 1h30m.`

func newConfigCommand(flags *flagLayer) *cobra.Command {
	var asJSON, origin bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration and print what is in effect",
		Long:  configHelp,
		Example: `  aofsidecar config --config ./config.yaml
  aofsidecar config --set aof.appendfsync=always --origin`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			effective, err := loadConfig(*flags)
			if err != nil {
				return err
			}
			if asJSON {
				return printConfigJSON(cmd.OutOrStdout(), effective, origin)
			}
			return printConfigYAML(cmd.OutOrStdout(), effective, origin)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one member per key")
	cmd.Flags().BoolVar(&origin, "origin", false, "say of each value where it comes from")
	return cmd
}

// configValue is one key in the output of `config --json --origin`.
type configValue struct {
	Value  any    `json:"value"`
	Origin string `json:"origin"`
}

// printConfigJSON writes one object with the dotted keys as members.
func printConfigJSON(w io.Writer, effective *loaded, origin bool) error {
	out := map[string]any{}
	for _, s := range settings() {
		out[s.key] = s.value(&effective.config)
		if origin {
			out[s.key] = configValue{Value: out[s.key], Origin: effective.origins[s.key]}
		}
	}
	return printJSON(w, out)
}

// printConfigYAML writes what --config would read.
func printConfigYAML(w io.Writer, effective *loaded, origin bool) error {
	var document yaml.Node
	if err := document.Encode(effective.config); err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	if origin {
		addOrigins(&document, "", effective.origins)
	}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return encoder.Close()
}

// addOrigins puts a comment beside each value.
func addOrigins(mapping *yaml.Node, prefix string, origins map[string]string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		if value.Kind == yaml.MappingNode {
			addOrigins(value, prefix+name.Value+".", origins)
			continue
		}
		value.LineComment = strings.TrimSpace("# " + origins[prefix+name.Value])
	}
}
