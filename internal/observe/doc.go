// Package observe turns what the stages tell into log lines and metrics, so that the stages know neither zap nor Prometheus.
//
// # Place in the flow
//
// Beside it. Each stage reports through a struct of funcs (replica.Observer, aof.Observer); [Replica] and [AOF]
// return such structs. What is a state rather than an event is read when somebody asks: [NewCollector] reads State and Status at
// every scrape, so that a metric and /status cannot disagree.
//
// # Lag
//
// A replica knows an upstream's offset only from what arrives, which says nothing of what does not. [LagMeter] puts three
// things together; [Lag] says what each number means:
//
//   - what was received and is not durable, from the log's own offsets, noted once a second;
//   - what the upstream had at a known time (INFO replication on a side connection), noted whenever somebody samples it;
//   - how long the link has not been streaming.
//
// An unknown lag is absent, never zero.
//
// # Names
//
// Metrics are aofsidecar_<thing>_<unit>, in the words of docs/ARCHITECTURE.md. Log messages are constant; what
// varies is in fields, whose keys are the constants of fields.go.
//
// # Concurrency
//
// Everything here may be called from any goroutine and returns at once; the stages call observers with locks held.
package observe
