package main

import (
	"fmt"
	"io"
)

// result is what a check found.
type result string

const (
	resultOK   result = "ok"
	resultWarn result = "warn" // it works; something will cost or surprise
	resultFail result = "fail" // the mirror cannot work, or not safely
)

// finding is the outcome of one check. Its JSON form is a contract.
type finding struct {
	Check   string `json:"check"`
	Result  result `json:"result"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"` // what to do about it
}

func ok(check, format string, args ...any) finding {
	return finding{Check: check, Result: resultOK, Message: fmt.Sprintf(format, args...)}
}

func warn(check, message, next string) finding {
	return finding{Check: check, Result: resultWarn, Message: message, Next: next}
}

func fail(check, message, next string) finding {
	return finding{Check: check, Result: resultFail, Message: message, Next: next}
}

// report is what the doctor says. Its JSON form is a contract.
type report struct {
	OK       bool      `json:"ok"` // no finding failed
	Findings []finding `json:"findings"`
	// ACL is the rule for a user that can do no more than the sidecar needs.
	ACL aclRules `json:"acl"`
}

// aclRules are ready to be pasted.
type aclRules struct {
	Minimal string `json:"minimal"` // enough to mirror
	Full    string `json:"full"`    // and for the lag, the guard's count of keys, and every check of doctor
}

func newReport(findings []finding, username string) report {
	if username == "" {
		username = "aofsidecar"
	}
	minimal := "ACL SETUSER " + username + " on >PASSWORD resetkeys resetchannels -@all +psync +replconf +ping"
	r := report{OK: true, Findings: findings, ACL: aclRules{
		Minimal: minimal,
		Full:    minimal + " +info +config|get +acl|whoami +acl|dryrun",
	}}
	for _, f := range findings {
		r.OK = r.OK && f.Result != resultFail
	}
	return r
}

// write writes the report for people.
func (r report) write(w io.Writer) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%-4s  %-11s  %s\n", f.Result, f.Check, plain(f.Message)); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		if f.Next == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-4s  %-11s  Try: %s\n", "", "", plain(f.Next)); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	_, err := fmt.Fprintf(w, "\nACL, enough to mirror:\n  %s\nACL, with lag, guard and doctor:\n  %s\n", r.ACL.Minimal, r.ACL.Full)
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
