package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// KeyError is what is wrong with one key.
type KeyError struct {
	Key   string
	Where string // what gave the value: a line of the file, a variable, a flag; empty for a default
	Err   error
}

func (e *KeyError) Error() string {
	if e.Where == "" {
		return fmt.Sprintf("%s: %v", e.Key, e.Err)
	}
	return fmt.Sprintf("%s: %v (%s)", e.Key, e.Err, e.Where)
}

func (e *KeyError) Unwrap() error { return e.Err }

// validator collects everything that is wrong, so that one run reports it all.
type validator struct{ errs []*KeyError }

func (v *validator) require(ok bool, key, otherwise string) {
	if !ok {
		v.errs = append(v.errs, &KeyError{Key: key, Err: errors.New(otherwise)})
	}
}

func (v *validator) check(err error, key string) {
	if err != nil {
		v.errs = append(v.errs, &KeyError{Key: key, Err: err})
	}
}

// Validate returns everything that is wrong with c, beyond what parsing a value finds.
// It looks at no file and no network: files are read when they are needed.
func (c *Config) Validate() []*KeyError {
	v := &validator{}
	c.Upstream.validate(v)
	c.AOF.validate(v)
	c.Rewrite.validate(v)
	c.Archive.validate(v)
	v.require(c.Upstream.Fack != FackShipped || c.Archive.URL != "", "upstream.fack", "shipped needs an archive: set archive.url, or use durable")
	if c.HTTP.Addr != "" {
		v.check(checkHostPort(c.HTTP.Addr, true), "http.addr")
	}
	v.require(c.HTTP.ReadyLag > 0, "http.ready-lag", "must be more than 0s")
	if c.Control.Socket != "" {
		v.check(checkSocketPath(c.Control.Socket), "control.socket")
	}
	v.require(c.ShutdownLinger >= 0, "shutdown-linger", "must not be negative")
	v.require(c.ShutdownTimeout >= Duration(time.Second), "shutdown-timeout", "must be at least 1s")
	return v.errs
}

func (u *UpstreamConfig) validate(v *validator) {
	if network, address := u.endpoint(); network == "unix" {
		v.check(checkSocketPath(address), "upstream.addr")
		v.require(!bool(u.TLS.Enabled), "upstream.tls.enabled", "a unix socket has no TLS")
	} else {
		v.check(checkHostPort(address, false), "upstream.addr")
	}
	v.require(u.Password.IsZero() || u.PasswordFile == "", "upstream.password-file", "excludes upstream.password: give one of them")
	v.require(u.ReplTimeout >= Duration(time.Second), "upstream.repl-timeout", "must be at least 1s")
	v.check(checkPath(u.PasswordFile), "upstream.password-file")
	u.TLS.validate(v)
}

// checkPath refuses the content of a file in the place of its path, and repeats none of it.
func checkPath(path string) error {
	if strings.ContainsAny(path, "\r\n") {
		return errors.New("has more than one line: the path of a file is wanted, not what is in it")
	}
	return nil
}

// endpoint splits upstream.addr into the network and the address for net.Dial.
func (u *UpstreamConfig) endpoint() (network, address string) {
	path := strings.TrimPrefix(u.Addr, "unix://")
	if strings.HasPrefix(path, "/") {
		return "unix", path
	}
	return "tcp", u.Addr
}

// validate refuses settings that would be ignored: who names a CA expects TLS.
func (t *TLSConfig) validate(v *validator) {
	v.check(checkPath(t.CAFile), "upstream.tls.ca-file")
	v.check(checkPath(t.CertFile), "upstream.tls.cert-file")
	v.check(checkPath(t.KeyFile), "upstream.tls.key-file")
	if !t.Enabled {
		const ignored = "has no effect while upstream.tls.enabled is false"
		v.require(t.CAFile == "", "upstream.tls.ca-file", ignored)
		v.require(t.CertFile == "", "upstream.tls.cert-file", ignored)
		v.require(t.KeyFile == "", "upstream.tls.key-file", ignored)
		v.require(t.ServerName == "", "upstream.tls.server-name", ignored)
		v.require(!bool(t.InsecureSkipVerify), "upstream.tls.insecure-skip-verify", ignored)
		return
	}
	v.require(t.KeyFile == "" || t.CertFile != "", "upstream.tls.cert-file", "is missing beside upstream.tls.key-file")
	v.require(t.CertFile == "" || t.KeyFile != "", "upstream.tls.key-file", "is missing beside upstream.tls.cert-file")
	v.require(t.CAFile == "" || !bool(t.InsecureSkipVerify), "upstream.tls.ca-file", "has no effect with upstream.tls.insecure-skip-verify")
}

func (a *AOFConfig) validate(v *validator) {
	v.require(a.Dir != "", "aof.dir", "must not be empty")
	v.check(checkFileName(a.AppendDirName), "aof.appenddirname")
	v.require(a.AppendDirName != "retained", "aof.appenddirname", "retained is the name of the sidecar's own folder")
	v.check(checkFileName(a.AppendFileName), "aof.appendfilename")
	v.require(a.IncrementSize >= 64<<10, "aof.increment-size", "must be at least 64kb")
	v.require(a.IncrementAge >= Duration(time.Second), "aof.increment-age", "must be at least 1s")
}

func (r *RewriteConfig) validate(v *validator) {
	v.require(r.Interval == 0 || r.Interval >= Duration(time.Minute), "rewrite.interval", "must be 0s or at least 1m")
	v.require(r.MaxMemory == 0 || r.MaxMemory >= 1<<20, "rewrite.max-memory", "must be 0 or at least 1mb")
}

// maxFileName bounds a name in bytes, as package aof does: a line of the manifest has to hold it.
const maxFileName = 128

// checkFileName wants a name that package aof takes, and that manifest, loader and file system take as it is, without quoting.
func checkFileName(name string) error {
	switch {
	case name == "":
		return errors.New("must not be empty")
	case name != filepath.Base(name):
		return fmt.Errorf("%q is a path: a plain name is wanted", name)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("%q begins with a dot: such names are the sidecar's own", name)
	case len(name) > maxFileName:
		return fmt.Errorf("must not be longer than %d bytes", maxFileName)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\'' || r == '\\' }):
		return fmt.Errorf("%q has spaces, quotes or other characters that servers quote", name)
	}
	return nil
}

// checkHostPort wants host:port; an empty host is every address, which only a listener can use. Errors do not repeat it: what people
// write instead, a URL or user:password@, may hold a password.
func checkHostPort(addr string, listen bool) error {
	if strings.Contains(addr, "@") && listen {
		return errors.New("has an @: write host:port")
	}
	if strings.Contains(addr, "@") {
		return errors.New("has an @: write host:port; user and password belong in upstream.username and upstream.password-file")
	}
	if strings.Contains(addr, "://") {
		return errors.New("is a URL: write host:port")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("is not host:port")
	}
	if host == "" && !listen {
		return errors.New("names no host: write host:port")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (number == 0 && !listen) {
		return errors.New("the port must be a number from 1 to 65535")
	}
	return nil
}

// checkSocketPath wants what fits into a sockaddr_un.
func checkSocketPath(path string) error {
	const sunPath = 107 // sockaddr_un.sun_path less its zero byte, on Linux
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	if len(path) > sunPath {
		return fmt.Errorf("is %d bytes long, and a socket's path has at most %d", len(path), sunPath)
	}
	return nil
}
