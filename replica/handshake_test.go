package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func login(username, password string) func(*Options) {
	return func(o *Options) {
		o.Credentials = func(context.Context) (string, string, error) { return username, password, nil }
	}
}

func TestPingAnswers(t *testing.T) {
	for answer, want := range map[string]Class{
		"+PONG":                           0,
		"+anything":                       0,
		"-NOPERM this user has no 'ping'": 0,
		"-ERR operation not permitted":    0,
		"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk": 0,
		"-NOAUTH Authentication required.":                         ClassRefused,
		"-DENIED Redis is running in protected mode":               ClassRefused,
		"-ERR max number of clients reached":                       ClassBusy,
		"-ERR max number of clients + cluster connections reached": ClassBusy,
		"-LOADING Redis is loading the dataset in memory":          ClassBusy,
		"-MASTERDOWN Link with MASTER is down":                     ClassBusy,
		"-BUSY Redis is busy running a script":                     ClassBusy,
		"-ERR unknown command 'PING'":                              ClassRefused,
		"HTTP/1.1 400 Bad Request":                                 ClassProtocol,
		":1":                                                       ClassProtocol,
		"+" + strings.Repeat("x", replyBytes):                      ClassProtocol,
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), h.observe)
			p := u.accept()
			p.expect("PING")
			_, _ = p.conn.Write([]byte("\n\r\n" + answer + "\r\n")) // an answer too long is not read to its end
			if want == 0 {
				p.introduce()
				p.expect("PSYNC", "?", "-1")
			} else {
				synctest.Wait()
				require.Len(t, h.losses(), 1)
				require.Equal(t, want, h.losses()[0].Class, h.losses()[0].Err)
				require.Equal(t, PhaseHandshake, h.losses()[0].Phase)
			}
			run.stop()
		})
	}
}

func TestAuthenticates(t *testing.T) {
	for _, tc := range []struct {
		username, password string
		want               []string
	}{
		{"", "secret", []string{"AUTH", "secret"}},
		{"sidecar", "secret", []string{"AUTH", "sidecar", "secret"}},
		{"sidecar", "", []string{"AUTH", "sidecar", ""}},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), login(tc.username, tc.password))
			p := u.accept()
			p.expect("PING")
			p.send("-NOAUTH Authentication required.\r\n")
			p.expect(tc.want...)
			p.send("+OK\r\n")
			p.introduce()
			p.expect("PSYNC", "?", "-1")
			run.stop()
		})
	}
}

// An upstream may repeat in its error what it was asked: one whose AUTH is renamed repeats the password.
func TestRefusedLoginRepeatsNothing(t *testing.T) {
	for _, tc := range []struct {
		answer string
		class  Class
		says   string
	}{
		{"-ERR unknown command 'AUTH', with args beginning with: 'sidecar' 's3cret' \r\n", ClassRefused, `"ERR unknown command": AUTH is renamed or disabled`},
		{"-ERR unknown command `AUTH`, with args beginning with: `sidecar`, `s3cr", ClassNetwork, "closed"},
		{"-WRONGPASS invalid username-password pair or user is disabled.\r\n", ClassRefused, "check user and password"},
		{"-WRONGPASS sidecar may not use s3cret\r\n", ClassRefused, `with "WRONGPASS": check user and password`},
		{"-NOAUTH s3cret is wrong\r\n", ClassRefused, `"NOAUTH"`},
		{"-NOPERM sidecar s3cret\r\n", ClassRefused, `"NOPERM"`},
		{"-ERR AUTH <password> called without any password configured for the default user. Are you sure?\r\n", ClassRefused, "give no password"},
		{"-ERR sidecar: s3cret?\r\n", ClassRefused, `"ERR": the rest`},
		{"-LOADING s3cret\r\n", ClassBusy, `"LOADING"`},
		{"-ERR max number of clients reached\r\n", ClassBusy, "max number of clients"},
		{"-s3cret\r\n", ClassRefused, "upstream answered AUTH"},
		{"sidecar s3cret\r\n", ClassProtocol, "want an answer to AUTH"},
		{"$6\r\ns3cret\r\n", ClassProtocol, "want an answer to AUTH"},
		{strings.Repeat("s3cret sidecar", replyBytes), ClassProtocol, "want an answer to AUTH"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), h.observe, login("sidecar", "s3cret"))
			p := u.accept()
			p.expect("PING")
			p.send("-NOAUTH Authentication required.\r\n")
			p.expect("AUTH", "sidecar", "s3cret")
			_, _ = p.conn.Write([]byte(tc.answer)) // one too long is not read to its end
			p.close()
			synctest.Wait()
			err := h.losses()[0].Err
			require.Equal(t, tc.class, h.losses()[0].Class, "%v", err)
			require.ErrorContains(t, err, tc.says)
			for err := err; err != nil; err = errors.Unwrap(err) {
				require.NotRegexp(t, "sidecar|s3cr", fmt.Sprintf("%v %#v", err, err))
			}
			run.stop()
		})
	}
}

func TestCredentialsAreReadAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		passwords := []string{"old", "new"}
		u := newUpstream(t)
		run := start(t, u, newRecorder(t), h.observe, func(o *Options) {
			o.Credentials = func(context.Context) (string, string, error) {
				if len(passwords) == 0 {
					return "", "", errors.New("open /run/secrets/password: no such file")
				}
				next := passwords[0]
				passwords = passwords[1:]
				return "", next, nil
			}
		})
		for _, want := range []string{"old", "new"} {
			p := u.accept()
			p.expect("PING")
			p.send("+PONG\r\n")
			p.expect("AUTH", want)
			p.send("-WRONGPASS invalid username-password pair or user is disabled.\r\n")
			p.ended()
		}
		u.accept().ended()
		synctest.Wait()
		require.Len(t, h.losses(), 3)
		require.Len(t, h.refusals(), 2, "the second WRONGPASS is no news, the missing file is")
		require.Equal(t, ClassRefused, h.losses()[2].Class)
		require.NotContains(t, h.losses()[0].Err.Error(), "old")
		require.ErrorContains(t, h.refusals()[1].Err, "no such file")
		run.stop()
	})
}

// Refused is not a matter of patience: it is said once, and tried slowly.
func TestRefusedIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u := newUpstream(t)
		run := start(t, u, newRecorder(t), h.observe)
		begin := time.Now()
		tries := 0
		for time.Since(begin) < time.Hour {
			p := u.accept()
			p.resync("?", "-1")
			p.send("-NOPERM User sidecar has no permissions to run the 'psync' command\r\n")
			p.ended()
			tries++
		}
		require.Less(t, tries, 20)
		require.Len(t, h.refusals(), 1)
		require.ErrorContains(t, h.refusals()[0].Err, "+psync +replconf +ping")
		require.GreaterOrEqual(t, h.losses()[0].Retry, 27*time.Second)
		require.GreaterOrEqual(t, h.losses()[10].Retry, 4*time.Minute)

		p := u.accept() // it worked, and then not again: that is news
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
		p.next()
		p.close()
		p = u.accept()
		p.resync(idA, "11")
		p.send("-NOPERM User sidecar has no permissions to run the 'psync' command\r\n")
		p.ended()
		synctest.Wait()
		require.Len(t, h.refusals(), 2)
		run.stop()
	})
}

func TestReplconfWithoutTheRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u := newUpstream(t)
		run := start(t, u, newRecorder(t), h.observe)
		p := u.accept()
		p.expect("PING")
		p.send("+PONG\r\n")
		p.expect("REPLCONF", "capa", "eof", "capa", "psync2")
		p.send("-NOPERM User sidecar has no permissions to run the 'replconf' command\r\n")
		p.ended()
		synctest.Wait()
		require.Equal(t, ClassRefused, h.losses()[0].Class)
		require.ErrorContains(t, h.losses()[0].Err, "+replconf")
		run.stop()
	})
}

func TestLearnsVersion(t *testing.T) {
	const denied = "-NOPERM User sidecar has no permissions to run the 'info' command\r\n"
	info := func(lines ...string) string { return bulk("# Server\r\n" + strings.Join(lines, "\r\n") + "\r\n") }
	for _, tc := range []struct {
		name        string
		hello, info string // info empty: not asked
		want        string
		refused     bool
	}{
		{name: "redis", hello: hello("redis", "7.0.15"), want: "redis 7.0.15"},
		{name: "valkey", hello: hello("valkey", "9.1.2"), want: "valkey 9.1.2"},
		{name: "valkey as redis", hello: hello("redis", "7.2.4"), info: info("redis_version:7.2.4", "server_name:valkey", "valkey_version:8.0.1"), want: "valkey 8.0.1"},
		{name: "redis 7.2.4", hello: hello("redis", "7.2.4"), info: info("redis_version:7.2.4"), want: "redis 7.2.4"},
		{name: "redis 7.2.4, no right", hello: hello("redis", "7.2.4"), info: denied, want: "redis 7.2.4"},
		{name: "old", hello: hello("redis", "6.2.16"), want: "redis 6.2.16", refused: true},
		{name: "older", hello: "-ERR wrong number of arguments for 'hello' command\r\n", info: info("redis_version:6.0.16"), want: "redis 6.0.16", refused: true},
		{name: "oldest", hello: "-ERR unknown command `HELLO`\r\n", info: info("redis_version:5.0.14"), want: "redis 5.0.14", refused: true},
		{name: "says nothing", hello: "-ERR unknown command 'HELLO'\r\n", info: denied, want: "unknown"},
		{name: "says nonsense", hello: "*0\r\n", info: "*2\r\n*-1\r\n$-1\r\n", want: "unknown"},
		{name: "future", hello: hello("redis", "next"), want: "redis next"},
		{name: "for a terminal", hello: hello("re\x1b]0;owned\adis", "8.0\r\nredis_version:7\xff\u202e"), want: "re?]0;owned?dis 8.0??redis_version:7????"},
		{name: "much", hello: hello("redis", "8."+strings.Repeat("0", 60_000)), want: "redis 8." + strings.Repeat("0", 62)},
		{name: "much in INFO", hello: "*0\r\n", info: info("valkey_version:9.1\x1b[2J" + strings.Repeat("0", 60_000)), want: "valkey 9.1?[2J" + strings.Repeat("0", 57)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h heard
				u := newUpstream(t)
				run := start(t, u, newRecorder(t), h.observe)
				p := u.accept()
				p.expect("PING")
				p.send("+PONG\r\n")
				p.expect("REPLCONF", "capa", "eof", "capa", "psync2")
				p.send("-ERR never mind\r\n")
				p.expect("REPLCONF", "version", "9.0.0")
				p.send("+OK\r\n")
				p.expect("HELLO")
				p.send(tc.hello)
				if tc.info != "" {
					p.expect("INFO", "server")
					p.send(tc.info)
				}
				if tc.refused {
					p.ended()
					synctest.Wait()
					refused := asError[*VersionError](t, h.refusals()[0].Err)
					require.Equal(t, tc.want, refused.Server.String())
					require.ErrorContains(t, refused, "relative expiry times")
				} else {
					p.expect("PSYNC", "?", "-1")
					require.Equal(t, tc.want, run.client.State().Peer.Server.String())
				}
				run.stop()
			})
		})
	}
}

func TestHostileHelloIsBounded(t *testing.T) {
	for _, answer := range []string{
		"*1000000000000\r\n", "$65537\r\n", "$99999999999999999999\r\n", "*-\r\n", "%1\r\n", "*3\r\n$1\r\nabc",
		"*2\r\n" + strings.Repeat("*2\r\n", 40000), "*9999\r\n" + strings.Repeat("+aaaaaaaaaaaaaaaa\r\n", 5000),
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), h.observe)
			p := u.accept()
			p.expect("PING")
			p.send("+PONG\r\n")
			p.expect("REPLCONF", "capa", "eof", "capa", "psync2")
			p.send("+OK\r\n")
			p.expect("REPLCONF", "version", "9.0.0")
			p.send("+OK\r\n")
			p.expect("HELLO")
			_, _ = p.conn.Write([]byte(answer))
			synctest.Wait()
			require.Len(t, h.losses(), 1)
			require.Equal(t, ClassProtocol, h.losses()[0].Class, h.losses()[0].Err)
			run.stop()
		})
	}
}

// What an upstream refuses with comes to the log, to the status and to terminals.
func TestRefusalIsShownInPart(t *testing.T) {
	said := (&ServerError{Command: "PSYNC", Reply: "ERR \x1b[2J" + strings.Repeat("x", 60_000)}).Error()
	require.Less(t, len(said), 400)
	require.Contains(t, said, `ERR \x1b[2Jxxx`)
}
