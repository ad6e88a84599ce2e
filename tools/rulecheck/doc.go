// Package rulecheck holds the alerts and the board in helm/files as tests: `make rules` runs them.
//
// Each name and label of a metric in them is one that docs/reference.md has, whose table a test of the binary keeps true. Each alert has its entry in
// docs/operations.md. And each alert is evaluated as Prometheus does it, by its own engine, over series of sidecars that are well, that are not, or that look
// like it: which alerts fire at any time of a scenario is all that may.
//
// Prometheus' rule manager and promtool's unit tests would bring the SDKs of three clouds along. What they do beside the engine is little: series in memory
// (series_test.go), and how long an expression has to hold (alerts_test.go).
package rulecheck
