package main

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/replica"
)

var (
	_ redis.Hook  = secretLogin{}
	_ redis.Error = (*loginError)(nil)
)

// errLoginAnswer stands for an answer to a login that cannot be read.
var errLoginAnswer = errors.New("the login was answered by what is no Redis protocol; it is not shown, for it may hold the password")

// loginError is an error reply to a login, without what it repeats.
type loginError struct{ *replica.ServerError }

// RedisError lets go-redis take it for a reply, after which AUTH is tried where HELLO was refused.
func (*loginError) RedisError() {}

// secretLogin is a hook of a client: what HELLO and AUTH are answered with may repeat their arguments, and is replaced before anybody
// sees it.
type secretLogin struct{}

// DialHook changes nothing.
func (secretLogin) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing: a login is no pipeline.
func (secretLogin) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook replaces the error of a login.
func (secretLogin) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if name := cmd.Name(); err == nil || name != "hello" && name != "auth" {
			return err
		}
		err = concealAnswer(err)
		cmd.SetErr(err)
		return err
	}
}

// concealAnswer keeps errors of the connection, and of replies what is known to repeat nothing.
func concealAnswer(err error) error {
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return &loginError{replica.LoginRefused(reply.Error())}
	}
	_, network := errors.AsType[net.Error](err)
	if network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return err
	}
	return errLoginAnswer
}
