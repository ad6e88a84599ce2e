package main

import "time"

// Config is the whole configuration. Its yaml tags are the keys of the file; joined with dots they are
// the names that --set and error messages use. A key exists only if the program acts on it.
// Sizes are bytes. The zero Config is not valid: begin with [DefaultConfig].
type Config struct {
	Upstream UpstreamConfig `yaml:"upstream"`
	AOF      AOFConfig      `yaml:"aof"`
	Rewrite  RewriteConfig  `yaml:"rewrite"`
	HTTP     HTTPConfig     `yaml:"http"`
	Control  ControlConfig  `yaml:"control"`
	Logging  LoggingConfig  `yaml:"logging"`

	// ShutdownLinger is how long to go on reading after SIGTERM unless the upstream closes before. Default 0s: stop at once.
	ShutdownLinger Duration `yaml:"shutdown-linger"`
	// ShutdownTimeout bounds the rest of a shutdown. Default 30s, at least 1s.
	ShutdownTimeout Duration `yaml:"shutdown-timeout"`
}

// UpstreamConfig says which server to replicate from, and what to tell it.
type UpstreamConfig struct {
	// Addr is host:port, or the absolute path of a unix socket (unix:// before it is allowed).
	Addr string `yaml:"addr"`
	// Username is the ACL user; empty authenticates as the default user, if there is a password.
	Username string `yaml:"username"`
	// Password and PasswordFile exclude each other. The file is read at every connection.
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password-file"`
	// ReplTimeout is the silence after which a connection counts as lost, as in redis.conf. Default 60s, at least 1s.
	ReplTimeout Duration `yaml:"repl-timeout"`
	// Ack is exact (the written position) or behind (one byte less). Default exact.
	Ack AckMode `yaml:"ack"`
	// Fack is what FACK, and so WAITAOF upstream, waits for. Default durable: fsynced here.
	Fack FackMode  `yaml:"fack"`
	TLS  TLSConfig `yaml:"tls"`
}

// TLSConfig secures the connections to the upstream. All files are read at every connection.
type TLSConfig struct {
	Enabled Bool `yaml:"enabled"`
	// CAFile replaces the system's roots if set.
	CAFile string `yaml:"ca-file"`
	// CertFile and KeyFile are our certificate, both or none.
	CertFile string `yaml:"cert-file"`
	KeyFile  string `yaml:"key-file"`
	// ServerName is the name to verify; empty takes the host of upstream.addr.
	ServerName         string `yaml:"server-name"`
	InsecureSkipVerify Bool   `yaml:"insecure-skip-verify"`
}

// AOFConfig places and shapes the local log. The first four words are redis.conf's, with its defaults.
type AOFConfig struct {
	// Dir is the data directory that a server would be given as `dir`.
	Dir            string `yaml:"dir"`
	AppendDirName  string `yaml:"appenddirname"`
	AppendFileName string `yaml:"appendfilename"`
	// AppendFsync is always, everysec or no. Default everysec.
	AppendFsync FsyncPolicy `yaml:"appendfsync"`
	// TimestampEnabled writes #TS: lines as Redis does. Default no.
	TimestampEnabled Bool `yaml:"aof-timestamp-enabled"`
	// UseRDBPreamble makes an RDB of the base of a rewrite; no makes commands of it. Default yes.
	UseRDBPreamble Bool `yaml:"aof-use-rdb-preamble"`
	// AutoRewritePercentage is by how much the log grows over its size after the last rewrite before the next one; 0 turns that off. Default 100.
	AutoRewritePercentage Percent `yaml:"auto-aof-rewrite-percentage"`
	// AutoRewriteMinSize is below which size it is not rewritten for growth. Default 64mb.
	AutoRewriteMinSize Size `yaml:"auto-aof-rewrite-min-size"`
	// IncrementSize closes an increment that has grown to this size. Default 1gb, at least 64kb.
	IncrementSize Size `yaml:"increment-size"`
	// IncrementAge closes a non-empty increment that is this old. Default 1h, at least 1s.
	IncrementAge Duration `yaml:"increment-age"`
}

// RewriteConfig says when and how the log is rewritten, beyond what redis.conf has words for.
type RewriteConfig struct {
	// Interval is how old a base gets, if anything came after it; 0s: as old as it likes. Default 24h.
	Interval Duration `yaml:"interval"`
	// MaxMemory bounds what the keys that changed take while they are folded, about; 0: a quarter of the cgroup's or machine's memory. Default 0.
	MaxMemory Size `yaml:"max-memory"`
	// Fallback is what is done where the log cannot be folded. Default keep.
	Fallback RewriteFallback `yaml:"fallback"`
}

// HTTPConfig is the read-only endpoint: /metrics, /healthz, /readyz, /status.
type HTTPConfig struct {
	// Addr to listen on; empty listens nowhere. Default :9379.
	Addr string `yaml:"addr"`
	// ReadyLag is the durable lag above which /readyz says no. Default 30s, more than 0.
	ReadyLag Duration `yaml:"ready-lag"`
}

// ControlConfig is where commands of this program reach a running sidecar.
type ControlConfig struct {
	// Socket is the path of a unix socket, made with mode 0600; empty makes none.
	Socket string `yaml:"socket"`
}

// LoggingConfig shapes the log on stderr.
type LoggingConfig struct {
	// Level is debug, info, warn or error. Default info.
	Level LogLevel `yaml:"level"`
	// Format is json or text. Default json.
	Format LogFormat `yaml:"format"`
}

// DefaultConfig returns the configuration that an empty file means.
func DefaultConfig() Config {
	return Config{
		Upstream: UpstreamConfig{
			Addr:        "127.0.0.1:6379",
			ReplTimeout: Duration(60 * time.Second),
			Ack:         AckExact,
			Fack:        FackDurable,
		},
		AOF: AOFConfig{
			Dir:            "/data/aofsidecar",
			AppendDirName:  "appendonlydir",
			AppendFileName: "appendonly.aof",
			AppendFsync:    FsyncEverySec,
			UseRDBPreamble: true, AutoRewritePercentage: 100, AutoRewriteMinSize: 64 << 20,
			IncrementSize: 1 << 30,
			IncrementAge:  Duration(time.Hour),
		},
		Rewrite:         RewriteConfig{Interval: Duration(24 * time.Hour), Fallback: FallbackKeep},
		HTTP:            HTTPConfig{Addr: ":9379", ReadyLag: Duration(30 * time.Second)},
		Control:         ControlConfig{Socket: "/run/aofsidecar/control.sock"},
		Logging:         LoggingConfig{Level: "info", Format: LogJSON},
		ShutdownTimeout: Duration(30 * time.Second),
	}
}
