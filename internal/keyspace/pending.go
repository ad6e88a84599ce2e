package keyspace

// This file holds the places of what is being written; each helper takes its own lines out and puts the real thing into its own file. It is gone
// before the branch is merged.

// geo
func geoCommands() []command { return nil }
