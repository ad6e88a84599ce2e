package replica

import (
	"bufio"
	"strconv"
	"strings"
)

// Server is what the upstream says of itself, in at most 64 printable ASCII characters: it comes to terminals and labels. The zero value means that it did not say.
type Server struct {
	Name    string // "redis" or "valkey"
	Version string // e.g. "7.0.15"; for Valkey its own version, not the Redis version that it reports for compatibility
}

// String returns "<name> <version>", or "unknown".
func (s Server) String() string {
	if s.Version == "" {
		return "unknown"
	}
	return s.Name + " " + s.Version
}

// oldestRedis is the first major version of Redis that replicates absolute expiry times only.
const oldestRedis = 7

// supported reports whether the upstream's stream can be kept as it is. A version that is not known, or
// cannot be read, is: refusing it would refuse a server of the future.
func (s Server) supported() bool {
	major, _, _ := strings.Cut(s.Version, ".")
	n, err := strconv.Atoi(major)
	return err != nil || s.Name != "redis" || n >= oldestRedis
}

// readsFACK reports whether the upstream reads FACK: WAITAOF came with Redis 7.2 and has been in every Valkey
// (replication.c:replconfCommand of 7.0 ignores what follows ACK). To one that does not it would be bytes for nothing.
func (s Server) readsFACK() bool {
	return s.Name != "redis" || !strings.HasPrefix(s.Version, "7.0.")
}

// valkeyAsRedis is the version of Redis that Valkey claims where a client asks for Redis.
const valkeyAsRedis = "7.2.4"

// certain reports whether HELLO's answer can be trusted: a Valkey of 7.2, or with extended-redis-compatibility, calls itself
// Redis 7.2.4 there, and only INFO tells.
func (s Server) certain() bool { return s.Version != "" && s.Version != valkeyAsRedis }

// printable returns the beginning of a name or a version, with ? for what is none.
func printable(said string) string {
	const most = 64
	text := []byte(said[:min(len(said), most)])
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '?'
		}
	}
	return string(text)
}

// serverFromHello reads HELLO's reply, a flat list of names and values.
func serverFromHello(items []string) Server {
	var s Server
	for i := 0; i+1 < len(items); i += 2 {
		switch items[i] {
		case "server":
			s.Name = printable(items[i+1])
		case "version":
			s.Version = printable(items[i+1])
		case "modules": // a list follows; what comes after it is not in pairs
			return s
		}
	}
	return s
}

// serverFromInfo reads the text of INFO server. Valkey reports a redis_version too.
func serverFromInfo(text string) Server {
	var redis, valkey string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "redis_version":
			redis = printable(value)
		case "valkey_version":
			valkey = printable(value)
		}
	}
	switch {
	case valkey != "":
		return Server{Name: "valkey", Version: valkey}
	case redis != "":
		return Server{Name: "redis", Version: redis}
	default:
		return Server{}
	}
}
