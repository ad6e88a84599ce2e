package replica

import (
	"errors"
	"slices"
	"strings"
)

// loginCommand is the command whose arguments are secret.
const loginCommand = "AUTH"

// auth logs in. Its errors repeat nothing that was sent.
func auth(l *link, username, password string) error {
	args := slices.DeleteFunc([]string{loginCommand, username, password}, func(s string) bool { return s == "" })
	if username != "" && password == "" {
		args = append(args, "") // a user with nopass takes any password, an empty one too
	}
	err := ask(l, args...)
	if refused, ok := errors.AsType[*ServerError](err); ok {
		return LoginRefused(refused.Reply)
	}
	if _, ok := errors.AsType[*ProtocolError](err); ok {
		return &ProtocolError{What: "want an answer to AUTH, got something else, which is not shown: it may hold the password"}
	}
	return err
}

// LoginRefused returns the error for an error reply, without its '-', to AUTH or to HELLO with AUTH. It keeps only what is known to repeat
// no argument: a server whose AUTH is renamed answers with the password (Redis server.c:processCommand), and what stands
// between us and a server may answer anything.
func LoginRefused(reply string) *ServerError {
	for _, phrase := range loginReplies() {
		if strings.HasPrefix(reply, phrase) {
			return &ServerError{Command: loginCommand, Reply: phrase}
		}
	}
	return &ServerError{Command: loginCommand, Reply: "an error that is not known"}
}

// What the advice depends on.
const (
	replyRenamed    = "ERR unknown command"
	replyNoPassword = "ERR AUTH <password> called without any password configured for the default user"
)

// loginReplies are beginnings of replies, the longest first. Of codes alone those are here that decide about the class or the advice.
func loginReplies() []string {
	return []string{
		replyRenamed, replyNoPassword,
		"WRONGPASS invalid username-password pair or user is disabled",
		"ERR invalid password", // Redis before 6
		"ERR wrong number of arguments for 'auth' command",
		"ERR max number of clients",
		"WRONGPASS", "NOAUTH", "NOPERM", "LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "NOMASTERLINK", "DENIED", "NOPROTO", "ERR",
	}
}

// loginAdvice says what to do about a refused login.
func loginAdvice(e *ServerError) string {
	switch {
	case e.Code() == "WRONGPASS":
		return "check user and password"
	case e.Reply == replyRenamed:
		return "AUTH is renamed or disabled there (rename-command), so that nobody can log in: give it its name back"
	case e.Reply == replyNoPassword:
		return "give no password, or set one there"
	default:
		return "the rest of the answer is not shown, for it may hold the password: log in by hand (redis-cli) to see it"
	}
}
