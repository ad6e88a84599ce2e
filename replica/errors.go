package replica

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Class says what kind of trouble ended a connection, and so how soon the next one is tried.
type Class uint8

// The classes, from the ones that pass by themselves to the ones that need a person.
const (
	// ClassNetwork: not reachable, reset, closed or silent. Tried again at once, then up to every few seconds.
	ClassNetwork Class = iota + 1
	// ClassBusy: the upstream answers that it cannot serve replicas now (loading, its own link is down, too many clients).
	ClassBusy
	// ClassProtocol: the upstream sent what no upstream may send.
	ClassProtocol
	// ClassSnapshot: a snapshot was begun and did not get here whole. Asking again forks the upstream again.
	ClassSnapshot
	// ClassHeld: the sink cannot take a snapshot now. The upstream was not contacted.
	ClassHeld
	// ClassRefused: wrong password, missing ACL right, unsupported version, certificate not trusted: someone has to change something.
	ClassRefused
)

// String returns the class in one lower-case word.
func (c Class) String() string {
	switch c {
	case ClassNetwork:
		return "network"
	case ClassBusy:
		return "busy"
	case ClassProtocol:
		return "protocol"
	case ClassSnapshot:
		return "snapshot"
	case ClassHeld:
		return "held"
	case ClassRefused:
		return "refused"
	default:
		return "none"
	}
}

// ClassOf returns the class of an error that ended a connection; ClassNetwork for one that says nothing of itself.
func ClassOf(err error) Class {
	var classed interface{ Class() Class }
	if errors.As(err, &classed) {
		return classed.Class()
	}
	if isTLSRefusal(err) {
		return ClassRefused
	}
	return ClassNetwork
}

// isTLSRefusal reports whether one side of a TLS handshake refused the other. In TLS 1.3 a server's refusal of our certificate
// comes with the first read, after our side of the handshake has succeeded.
func isTLSRefusal(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &verification), errors.As(err, &record):
		return true
	case errors.As(err, &op):
		return op.Op == "remote error" || op.Op == "local error" // crypto/tls reports alerts so, without a type
	default:
		return false
	}
}

// maxShownReply bounds what an error repeats of a reply, in characters: it comes to the log, and an upstream may say anything.
const maxShownReply = 256

// ServerError is an error reply of the upstream.
type ServerError struct {
	Command string // what was asked, e.g. "PSYNC"; empty for a line that came unasked
	Reply   string // the line without '-' and CRLF; of one to AUTH what LoginRefused keeps
}

// Error tells the reply and, for a refused login or a missing right, what to do.
func (e *ServerError) Error() string {
	asked := e.Command
	if asked == "" {
		asked = "the connection"
	}
	msg := fmt.Sprintf("upstream answered %s with %.*q", asked, maxShownReply, e.Reply)
	if e.Command == loginCommand {
		return msg + ": " + loginAdvice(e)
	}
	switch e.Code() {
	case "NOPERM":
		return msg + fmt.Sprintf(": the user needs the ACL rule +%s (all that is needed: +psync +replconf +ping)", strings.ToLower(e.Command))
	case "NOAUTH":
		return msg + ": a password is needed and none was sent"
	default:
		return msg
	}
}

// Code returns the reply's first word: NOPERM, LOADING, ERR ...
func (e *ServerError) Code() string {
	code, _, _ := strings.Cut(e.Reply, " ")
	return code
}

// Class sorts the reply. What is not known to pass by itself is refused (protocol.md 1.3).
func (e *ServerError) Class() Class {
	switch e.Code() {
	case "NOMASTERLINK", "LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN":
		return ClassBusy
	}
	switch {
	case strings.HasPrefix(e.Reply, "ERR max number of clients"): // networking.c:acceptCommonHandler
		return ClassBusy
	case strings.HasPrefix(e.Reply, "ERR BGSAVE failed"): // replication.c:startBgsaveForReplication
		return ClassSnapshot
	default:
		return ClassRefused
	}
}

// VersionError says that the upstream is too old to be mirrored.
type VersionError struct {
	Server Server
}

// Error says what is wrong with the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("upstream is %s: before 7.0 Redis replicates relative expiry times (EXPIRE k 10), which mean something else whenever the file is loaded; Redis 7.0 or later, or Valkey, is needed", e.Server)
}

// Class is ClassRefused.
func (e *VersionError) Class() Class { return ClassRefused }

// SetupError says that our own side of the connection cannot be made: credentials or certificates that
// cannot be read, or an upstream's certificate that is not to be trusted.
type SetupError struct {
	Op  string
	Err error
}

// Error returns "<op>: <cause>".
func (e *SetupError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// Class is ClassRefused.
func (e *SetupError) Class() Class { return ClassRefused }

// ProtocolError says that the upstream sent what this protocol does not have.
type ProtocolError struct {
	// Position is where in the stream: the offset of the offending byte. Zero before the stream begins.
	Position stream.Position
	// What is wrong, with what was expected.
	What string
	// Err is the parser's error, if there is one.
	Err error
}

// Error names the position and what is wrong there.
func (e *ProtocolError) Error() string {
	msg := "protocol error"
	if !e.Position.IsZero() {
		msg += " at " + e.Position.String()
	}
	msg += ": " + e.What
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the parser's error.
func (e *ProtocolError) Unwrap() error { return e.Err }

// Class is ClassProtocol.
func (e *ProtocolError) Class() Class { return ClassProtocol }

// SnapshotError says that a snapshot was announced and not taken.
type SnapshotError struct {
	Position stream.Position // that +FULLRESYNC announced
	Bytes    int64           // of the payload that were read
	Unbegun  bool            // the connection ended before the first of them
	Err      error
}

// Error names position, bytes and cause.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("take snapshot at %s, %d bytes read: %v", e.Position, e.Bytes, e.Err)
}

// Unwrap returns the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }

// Class is ClassSnapshot.
func (e *SnapshotError) Class() Class { return ClassSnapshot }

// HeldError says that the sink asks not to contact the upstream for now (see [Sink].Resume).
type HeldError struct {
	Err error
}

// Error returns the sink's reason.
func (e *HeldError) Error() string { return "wait for the sink: " + e.Err.Error() }

// Unwrap returns the sink's reason.
func (e *HeldError) Unwrap() error { return e.Err }

// Class is ClassHeld.
func (e *HeldError) Class() Class { return ClassHeld }

// finalError carries an error of the sink that ends Run.
type finalError struct {
	err error
}

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// isFatal asks err whether it is final; byDefault if it does not say.
func isFatal(err error, byDefault bool) bool {
	var f interface{ Fatal() bool }
	if errors.As(err, &f) {
		return f.Fatal()
	}
	return byDefault
}
