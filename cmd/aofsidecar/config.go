package main

import "time"

// Config is the whole configuration. Its yaml tags are the keys of the file; joined with dots they are
// the names that --set and error messages use. A key exists only if the program acts on it.
// Sizes are bytes. The zero Config is not valid: begin with [DefaultConfig].
type Config struct {
	Upstream UpstreamConfig `yaml:"upstream"`
	AOF      AOFConfig      `yaml:"aof"`
	Rewrite  RewriteConfig  `yaml:"rewrite"`
	Archive  ArchiveConfig  `yaml:"archive"`
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
	// Fack is what FACK, and so WAITAOF upstream, waits for. Default durable: fsynced here. shipped: stored in the archive.
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
	// MaxDisk is how much the directory may take before what waits for the archive is given up. Default 80% of its file system.
	MaxDisk DiskLimit `yaml:"max-disk"`
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

// ArchiveConfig says where and how the log is shipped.
type ArchiveConfig struct {
	// URL is s3://bucket/prefix or file:///path; empty: there is no archive.
	URL string `yaml:"url"`
	// ShipInterval is how long what is durable waits until it is shipped. Default 1s, at least 100ms.
	ShipInterval Duration `yaml:"ship-interval"`
	// SegmentSize is when it waits no longer. Default 8mb, at least 64kb.
	SegmentSize Size `yaml:"segment-size"`
	// Compression is zstd or none. Default zstd.
	Compression Compression       `yaml:"compression"`
	Encryption  EncryptionConfig  `yaml:"encryption"`
	Lease       LeaseConfig       `yaml:"lease"`
	Retention   RetentionConfig   `yaml:"retention"`
	Verify      ArchiveTestConfig `yaml:"verify"`
	S3          S3Config          `yaml:"s3"`
}

// EncryptionConfig says who can read the archive.
type EncryptionConfig struct {
	// Recipients are age public keys, "age1..."; empty: objects are not encrypted.
	Recipients Words `yaml:"recipients"`
	// IdentityFile holds the age secret keys that restore, verify and inspect read objects with. A sidecar that only ships needs none.
	IdentityFile string `yaml:"identity-file"`
}

// LeaseConfig keeps two sidecars from shipping to one prefix.
type LeaseConfig struct {
	// Enabled takes the lease; without it nothing but the operator keeps a second sidecar away. Default true.
	Enabled Bool `yaml:"enabled"`
	// TTL is how long a holder that is not heard of keeps others out. Default 30s, at least 3s.
	TTL Duration `yaml:"ttl"`
}

// RetentionConfig says what leaves the archive.
type RetentionConfig struct {
	// Enabled removes what is older than Duration. Default true.
	Enabled Bool `yaml:"enabled"`
	// Duration is how far back the window reaches at least. Default 168h, at least 1m.
	Duration Duration `yaml:"duration"`
	// MinBases is how many bases stay however old they are. Default 2, at least 1.
	MinBases Count `yaml:"min-bases"`
}

// ArchiveTestConfig is the schedule by which a running sidecar verifies its archive.
type ArchiveTestConfig struct {
	// Interval between two verifications; 0s: none. Default 0s.
	Interval Duration `yaml:"interval"`
	// Level is names, deep or boot. Default deep.
	Level VerifyLevel `yaml:"level"`
	// BootCommand is the server that level boot starts, "redis-server" or with words behind it.
	BootCommand string `yaml:"boot-command"`
}

// S3Config is what the AWS SDK is told beside its own environment and files, which give the credentials.
type S3Config struct {
	// Region; empty: the SDK's.
	Region string `yaml:"region"`
	// Endpoint is the URL of another S3 than Amazon's; empty: the SDK's.
	Endpoint string `yaml:"endpoint"`
	// ForcePathStyle puts the bucket into the path, as most other S3s want it.
	ForcePathStyle Bool `yaml:"force-path-style"`
	// StorageClass of bases and segments; empty: the bucket's.
	StorageClass string `yaml:"storage-class"`
	// SSE is AES256, aws:kms or aws:kms:dsse; empty: the bucket's.
	SSE string `yaml:"sse"`
	// KMSKeyID is the key of aws:kms; empty: the account's.
	KMSKeyID string `yaml:"kms-key-id"`
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
			MaxDisk:       DiskLimit{Percent: 80},
		},
		Rewrite: RewriteConfig{Interval: Duration(24 * time.Hour), Fallback: FallbackKeep},
		Archive: ArchiveConfig{
			ShipInterval: Duration(time.Second),
			SegmentSize:  8 << 20,
			Compression:  CompressZstd,
			Lease:        LeaseConfig{Enabled: true, TTL: Duration(30 * time.Second)},
			Retention:    RetentionConfig{Enabled: true, Duration: Duration(168 * time.Hour), MinBases: 2},
			Verify:       ArchiveTestConfig{Level: VerifyDeep},
		},
		HTTP:            HTTPConfig{Addr: ":9379", ReadyLag: Duration(30 * time.Second)},
		Control:         ControlConfig{Socket: "/run/aofsidecar/control.sock"},
		Logging:         LoggingConfig{Level: "info", Format: LogJSON},
		ShutdownTimeout: Duration(30 * time.Second),
	}
}
