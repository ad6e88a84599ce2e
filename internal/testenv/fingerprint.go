package testenv

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// fingerprintBatch is how many keys or fields are asked for in one pipeline or command.
const fingerprintBatch = 500

// State is what [Fingerprint] read.
type State struct {
	// Digest is DEBUG DIGEST: names and values of all keys in all databases, expired ones included.
	Digest string
	// Libraries maps the name of each function library to engine, functions and source.
	Libraries map[string]string
	// DBs has an entry for each database that is not empty.
	DBs map[int]DB
}

// DB is one database.
type DB struct {
	// Size and Expires count the keys, and those with an expiry, as INFO keyspace does: keys past their
	// time are included until they are deleted.
	Size, Expires int64
	// Keys are those whose time has not come.
	Keys map[string]Key
}

// Key is what is known of one key.
type Key struct {
	// Type is the reply of TYPE.
	Type string
	// Digest is DEBUG DIGEST-VALUE.
	Digest string
	// ExpireAt is PEXPIRETIME: Unix milliseconds, -1 without an expiry.
	ExpireAt int64
	// Fields maps the fields of a hash to HPEXPIRETIME, nil where the server has no field expiry. Fields
	// past their time are not in it.
	Fields map[string]int64
	// Stream is XINFO STREAM FULL as text, empty for other types.
	Stream string
}

// FingerprintOption changes what [Fingerprint] reads.
type FingerprintOption func(*reader)

// IgnoreHashes leaves out all hashes, and with them the numbers that count or digest them. It is for a
// server with [FieldTTLReplayHazard] that was booted from a raw log: there fields, and whole hashes,
// are missing through no fault of the log.
func IgnoreHashes() FingerprintOption {
	return func(r *reader) { r.ignoreHashes = true }
}

// IgnoreUnreplicated leaves out what an upstream does not tell its replicas. It is for comparing with the
// upstream itself; a replica that followed the same stream has the same as we have. That is:
//
//   - consumers of stream groups that have nothing pending: an XREADGROUP that finds nothing makes its consumer on
//     the upstream only (t_stream.c:xreadgroupCommand propagates the entries, and with NOACK the consumer);
//   - a group's entries-read, and the lag that is computed from it, on Redis 7.0.
func IgnoreUnreplicated() FingerprintOption {
	return func(r *reader) { r.unreplicated = true }
}

// reader reads a state over one connection.
type reader struct {
	conn         *redis.Conn
	fieldTTL     bool
	ignoreHashes bool
	unreplicated bool
	readCounts   bool // the stream carries entries-read
}

// Fingerprint reads the whole state of a server. Nothing else may write meanwhile, and the server must
// not expire keys when they are looked at: see the package comment.
//
// It sees: DEBUG DIGEST, the number of keys and expiries of each database, and of each key that is not
// past its time its type, DEBUG DIGEST-VALUE, PEXPIRETIME, HPEXPIRETIME of all fields, and XINFO STREAM
// FULL; FUNCTION LIST WITHCODE (FUNCTION DUMP has the same in an order that is different in each process).
// Keys that are past their time but not deleted yet show in the digest and the counts only.
//
// Left out, because a replica does not have the same either: radix tree counts of streams, and the times
// at which consumers were last seen and active, which servers set from their own clock on replay.
func Fingerprint(ctx context.Context, client *redis.Client, family Family, options ...FingerprintOption) (State, error) {
	r := &reader{conn: client.Conn(), fieldTTL: family.Has(FieldTTL), readCounts: family.Has(StreamReadCounts)}
	for _, option := range options {
		option(r)
	}
	state, err := r.state(ctx)
	// The connection goes back to the pool in the database that it came with.
	if backErr := r.conn.Select(ctx, client.Options().DB).Err(); err == nil {
		err = backErr
	}
	if closeErr := r.conn.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return State{}, fmt.Errorf("fingerprint %s: %w", family, err)
	}
	return state, nil
}

func (r *reader) state(ctx context.Context) (State, error) {
	state := State{DBs: make(map[int]DB)}
	var err error
	if state.Libraries, err = r.libraries(ctx); err != nil {
		return State{}, err
	}
	sizes, err := r.sizes(ctx)
	if err != nil {
		return State{}, err
	}
	for index, db := range sizes {
		if err := r.conn.Select(ctx, index).Err(); err != nil {
			return State{}, err
		}
		if db.Keys, err = r.keys(ctx); err != nil {
			return State{}, fmt.Errorf("read db %d: %w", index, err)
		}
		if r.ignoreHashes {
			db.Size, db.Expires = 0, 0
		}
		state.DBs[index] = db
	}
	if r.ignoreHashes {
		return state, nil
	}
	state.Digest, err = r.conn.Do(ctx, "debug", "digest").Text()
	return state, err
}

// libraries reads the functions, by the name of their library.
func (r *reader) libraries(ctx context.Context) (map[string]string, error) {
	reply, err := r.conn.Do(ctx, "function", "list", "withcode").Slice()
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	libraries := make(map[string]string, len(reply))
	for _, library := range reply {
		pairs := asPairs(library)
		libraries[fmt.Sprint(pairs["library_name"])] = r.render(library)
	}
	return libraries, nil
}

// sizes reads which databases have keys, and how many.
func (r *reader) sizes(ctx context.Context) (map[int]DB, error) {
	text, err := r.conn.Info(ctx, "keyspace").Result()
	if err != nil {
		return nil, fmt.Errorf("read INFO keyspace: %w", err)
	}
	sizes := make(map[int]DB)
	for line := range strings.SplitSeq(text, "\r\n") {
		name, fields, ok := strings.Cut(strings.TrimPrefix(line, "db"), ":")
		if !ok || !strings.HasPrefix(line, "db") {
			continue
		}
		index, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("read INFO keyspace line %q: %w", line, err)
		}
		var db DB
		for field := range strings.SplitSeq(fields, ",") {
			key, value, _ := strings.Cut(field, "=")
			n, _ := strconv.ParseInt(value, 10, 64)
			switch key {
			case "keys":
				db.Size = n
			case "expires":
				db.Expires = n
			}
		}
		sizes[index] = db
	}
	return sizes, nil
}

// keys reads the selected database.
func (r *reader) keys(ctx context.Context) (map[string]Key, error) {
	keys := make(map[string]Key)
	var cursor uint64
	for {
		batch, next, err := r.conn.Scan(ctx, cursor, "", fingerprintBatch).Result()
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		if err := r.describe(ctx, batch, keys); err != nil {
			return nil, err
		}
		if cursor = next; cursor == 0 {
			return keys, nil
		}
	}
}

// describe adds a batch of keys.
func (r *reader) describe(ctx context.Context, names []string, keys map[string]Key) error {
	if len(names) == 0 {
		return nil
	}
	types := make([]*redis.StatusCmd, len(names))
	digests := make([]*redis.Cmd, len(names))
	expiries := make([]*redis.Cmd, len(names))
	_, err := r.conn.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			types[i] = pipe.Type(ctx, name)
			digests[i] = pipe.Do(ctx, "debug", "digest-value", name)
			expiries[i] = pipe.Do(ctx, "pexpiretime", name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	for i, name := range names {
		key := Key{Type: types[i].Val()}
		// "none": its time came between SCAN and TYPE, or, further down, between TYPE and XINFO.
		if key.Type == "none" || key.Type == "hash" && r.ignoreHashes {
			continue
		}
		digest, err := digests[i].StringSlice()
		if err != nil {
			return fmt.Errorf("read digest of %q: %w", name, err)
		}
		key.Digest = digest[0]
		if key.ExpireAt, err = expiries[i].Int64(); err != nil {
			return fmt.Errorf("read expiry of %q: %w", name, err)
		}
		err = r.detail(ctx, name, &key)
		if redis.HasErrorPrefix(err, "no such key") {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s %q: %w", key.Type, name, err)
		}
		keys[name] = key
	}
	return nil
}

// detail reads what the digest does not see.
func (r *reader) detail(ctx context.Context, name string, key *Key) (err error) {
	switch {
	case key.Type == "stream":
		reply, err := r.conn.Do(ctx, "xinfo", "stream", name, "full", "count", 0).Result()
		key.Stream = r.render(reply)
		return err
	case key.Type == "hash" && r.fieldTTL:
		key.Fields, err = r.fields(ctx, name)
	}
	return err
}

// render writes a reply as text.
func (r *reader) render(reply any) string {
	text := renderer{ignoreIdle: r.unreplicated, ignoreReads: r.unreplicated && !r.readCounts}
	text.write(reply)
	return text.String()
}

// fields reads the expiry of all fields of a hash.
func (r *reader) fields(ctx context.Context, name string) (map[string]int64, error) {
	names, err := r.conn.HKeys(ctx, name).Result()
	if err != nil {
		return nil, err
	}
	expiries := make(map[string]int64, len(names))
	for batch := range slices.Chunk(names, fingerprintBatch) {
		args := []any{"hpexpiretime", name, "fields", len(batch)}
		for _, field := range batch {
			args = append(args, field)
		}
		times, err := r.conn.Do(ctx, args...).Int64Slice()
		if err != nil {
			return nil, err
		}
		for i, field := range batch {
			expiries[field] = times[i]
		}
	}
	return expiries, nil
}
