package testenv

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clientTimeout bounds one reply; a DEBUG DIGEST of a large data set takes seconds.
const clientTimeout = 30 * time.Second

// Client returns a client of the server's default user, in database 0. The server owns it: it survives
// Stop, Kill and Start, and Close closes it. It sends each command once, whatever happens.
func (s *Server) Client() *redis.Client { return s.client }

// Options returns what a client of this server needs, to change and dial with redis.NewClient: another
// user, another database, another address in between.
//
// RESP2, no CLIENT SETINFO and no maintenance notifications: commands that some of the servers do not
// have must not show in their statistics. No retries: a write that may have happened is not repeated.
func (s *Server) Options() (*redis.Options, error) {
	options := &redis.Options{
		Addr:                     s.Addr(),
		Password:                 s.set.password,
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		ContextTimeoutEnabled:    true,
		MaxRetries:               -1,
		DialerRetries:            1,
		DialTimeout:              clientTimeout,
		ReadTimeout:              clientTimeout,
		WriteTimeout:             clientTimeout,
	}
	if s.set.host != nil {
		options.Dialer = s.dial
	}
	if s.set.tls != nil {
		config, err := s.set.tls.ClientConfig()
		if err != nil {
			return nil, err
		}
		options.TLSConfig = config
	}
	return options, nil
}

func (s *Server) newClient() (*redis.Client, error) {
	options, err := s.Options()
	if err != nil {
		return nil, err
	}
	return redis.NewClient(options), nil
}

// Info returns the fields of an INFO section.
func (s *Server) Info(ctx context.Context, section string) (map[string]string, error) {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("read INFO %s: %w", section, err)
	}
	fields := make(map[string]string)
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}
