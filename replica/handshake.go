package replica

import (
	"context"
	"errors"
)

// announcedVersion makes a Valkey 9 send its own RDB format, the only one that holds all it has: without it a hash with
// field expiry makes every full resync fail (protocol.md 6.7). Others count or ignore it.
const announcedVersion = "9.0.0"

// handshake introduces us (Redis replication.c:syncWithMaster) and returns what the upstream says it is. No
// listening-port is announced: there is nothing to connect to. On return no reply is outstanding, which PSYNC demands.
func (c *Client) handshake(ctx context.Context, l *link) (Server, error) {
	var username, password string
	if c.opts.Credentials != nil {
		var err error
		if username, password, err = c.opts.Credentials(ctx); err != nil {
			return Server{}, &SetupError{Op: "read credentials", Err: err}
		}
	}
	hasCredentials := username != "" || password != ""
	if err := ping(l, hasCredentials); err != nil {
		return Server{}, err
	}
	if hasCredentials {
		if err := auth(l, username, password); err != nil {
			return Server{}, err
		}
	}
	if err := announce(l); err != nil {
		return Server{}, err
	}
	server, err := askVersion(l)
	if err != nil {
		return Server{}, err
	}
	if !server.supported() {
		return Server{}, &VersionError{Server: server}
	}
	return server, nil
}

// ask sends one command and reads its one-line reply. A line that was there before the write
// failed says why it failed: an upstream that is full, or in protected mode, says so and closes.
func ask(l *link, args ...string) error {
	sent := l.send(args...)
	_, err := l.status(args[0])
	if refused := new(ServerError); err == nil || sent == nil || errors.As(err, &refused) || isTLSRefusal(err) {
		return err
	}
	return sent
}

// ping takes the answers that real replicas take, and MISCONF: an upstream that cannot save to its own disk
// (server.c:processCommand) serves replicas as ever, and needs one more than others.
func ping(l *link, hasCredentials bool) error {
	err := ask(l, "PING")
	refused := new(ServerError)
	if err == nil || !errors.As(err, &refused) {
		return err
	}
	switch refused.Code() {
	case "NOPERM", "MISCONF":
		return nil
	case "NOAUTH":
		if hasCredentials {
			return nil
		}
	case "ERR":
		if refused.Reply == "ERR operation not permitted" { // Redis before 6 for NOAUTH
			return nil
		}
	}
	return err
}

// announce says what we understand. Refusals are ignored, as real replicas do, but for a missing right: without
// REPLCONF nothing could be acknowledged, and the upstream would drop us at the first try.
func announce(l *link) error {
	for _, args := range [][]string{
		{"REPLCONF", "capa", "eof", "capa", "psync2"},
		{"REPLCONF", "version", announcedVersion},
	} {
		refused := new(ServerError)
		err := ask(l, args...)
		if errors.As(err, &refused) && refused.Code() != "NOPERM" && refused.Code() != "NOAUTH" {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askVersion asks HELLO, which needs no ACL right and so works for a user who may do no more than replicate, and then, if that
// leaves a doubt, INFO. An upstream that tells neither is not asked further.
func askVersion(l *link) (Server, error) {
	items, err := askList(l, "HELLO")
	if err != nil {
		return Server{}, err
	}
	hello := serverFromHello(items)
	if hello.certain() {
		return hello, nil
	}
	items, err = askList(l, "INFO", "server")
	if err != nil || len(items) != 1 {
		return hello, err
	}
	if info := serverFromInfo(items[0]); info.Version != "" {
		return info, nil
	}
	return hello, nil
}

// askList returns nothing for an error reply.
func askList(l *link, args ...string) ([]string, error) {
	if err := l.send(args...); err != nil {
		return nil, err
	}
	items, err := l.list(args[0])
	if refused := new(ServerError); errors.As(err, &refused) {
		return nil, nil
	}
	return items, err
}
