// Package admin is how people and machines look at a running sidecar: an HTTP endpoint that only reads, and a
// control socket, HTTP too, for what changes something.
//
// # Place in the flow
//
// Beside it. The package knows no stage: it is handed a prometheus.Gatherer and functions that
// answer "healthy?", "ready?" and "what is the state?", and it never holds the data path up.
//
// # Endpoints
//
//	/metrics  Prometheus text
//	/healthz  200 while the process makes progress, else 503. It says nothing of upstream, disk space or archive: a kubelet
//	          that restarts the sidecar because the upstream is away would only take the mirror away as well
//	/readyz   200 while connected and the durable lag is small, else 503 and the reason
//	/status   the state as JSON, what `aofsidecar status --json` prints
//
// Only GET and HEAD are answered there, bodies are refused, and requests are few and short-lived: the port is reachable
// from a whole cluster. There is no pprof. The control socket adds what callers register on its mux;
// its only protection is the file mode 0600, which the socket has from the moment that it has a name.
//
// # Concurrency
//
// [Serve] blocks until its context ends and then until requests have ended or its grace is over. Handlers run concurrently.
package admin
