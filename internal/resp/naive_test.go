package resp_test

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// found is one command as a parser reports it.
type found struct {
	End  int64
	Kind resp.Kind
	Args int
	Arg0 string
	Arg1 string
	Len0 int64
	Len1 int64
}

// outcome is what a parser makes of an input: commands, then either an error or the rest.
type outcome struct {
	Commands []found
	Failed   bool
	Pending  bool
}

// The naive parser works on the whole input with regular expressions, so that it shares no idea with the Scanner.
var (
	countLine = regexp.MustCompile(`^\*([1-9][0-9]*)\r\n`)
	lenLine   = regexp.MustCompile(`^\$(0|[1-9][0-9]*)\r\n`)
	noteLine  = regexp.MustCompile(`^#[^\n]*\n`)
	newline   = regexp.MustCompile(`^\r?\n`)

	// What may still become such a line when more bytes come.
	countStart = regexp.MustCompile(`^\*(([1-9][0-9]*)\r?)?$`)
	zeroStart  = regexp.MustCompile(`^\*0\r?$`) // wrong only once the line is whole
	lenStart   = regexp.MustCompile(`^(\$((0|[1-9][0-9]*)\r?)?)?$`)
)

func naive(in string, annotations bool) outcome {
	var out outcome
	at := 0
	for at < len(in) {
		size, f, state := naiveOne(in[at:], annotations)
		if state != "" {
			out.Failed, out.Pending = state == "failed", state == "pending"
			return out
		}
		at += size
		f.End = int64(at)
		out.Commands = append(out.Commands, f)
	}
	return out
}

func naiveOne(in string, annotations bool) (size int, f found, state string) {
	if m := newline.FindString(in); m != "" {
		return len(m), found{Kind: resp.Newline}, ""
	}
	if in == "\r" {
		return 0, f, "pending"
	}
	if in[0] == '#' && annotations {
		if m := noteLine.FindString(in); m != "" && len(m) <= 1023 {
			return len(m), found{Kind: resp.Annotation}, ""
		}
		return 0, f, naiveCut(len(in) <= 1023 && !strings.Contains(in, "\n"))
	}
	line, args, state := naiveNumber(in, countLine, 1<<31-1, countStart, zeroStart)
	if state != "" {
		return 0, f, state
	}
	at := len(line)
	texts := []string{}
	for range args {
		line, n, state := naiveNumber(in[at:], lenLine, 1<<40, lenStart)
		if state != "" {
			return 0, f, state
		}
		at += len(line)
		if int64(len(in)-at) < n {
			return 0, f, "pending"
		}
		texts = append(texts, in[at:at+int(n)])
		at += int(n)
		if end := in[at:min(at+2, len(in))]; end != "\r\n" {
			return 0, f, naiveCut(end == "\r\n"[:len(end)])
		}
		at += 2
	}
	return at, naiveFound(texts), ""
}

func naiveCut(viable bool) string {
	if viable {
		return "pending"
	}
	return "failed"
}

func naiveNumber(in string, whole *regexp.Regexp, limit int64, starts ...*regexp.Regexp) (line string, n int64, state string) {
	if m := whole.FindStringSubmatch(in); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > limit {
			return "", 0, "failed"
		}
		return m[0], n, ""
	}
	for _, start := range starts {
		if !start.MatchString(in) {
			continue
		}
		digits := strings.Trim(in, "*$\r")
		if n, err := strconv.ParseInt(digits, 10, 64); digits != "" && (err != nil || n > limit) {
			return "", 0, "failed"
		}
		return "", 0, "pending"
	}
	return "", 0, "failed"
}

func naiveFound(args []string) found {
	f := found{Args: len(args), Arg0: args[0][:min(128, len(args[0]))], Len0: int64(len(args[0]))}
	switch naiveLower(args[0]) {
	case "ping":
		f.Kind = resp.Ping
	case "replconf":
		f.Kind = resp.Replconf
	case "publish", "spublish":
		f.Kind = resp.Publish
	case "select":
		f.Kind = resp.Select
	case "multi":
		f.Kind = resp.Multi
	case "exec":
		f.Kind = resp.Exec
	case "cluster":
		if len(args) < 2 || naiveLower(args[1]) != "flushslot" {
			f.Kind = resp.ClusterOther
		}
	}
	if f.Kind != resp.Other && len(args) > 1 {
		f.Arg1, f.Len1 = args[1][:min(128, len(args[1]))], int64(len(args[1]))
	}
	return f
}

// naiveLower lower-cases ASCII letters only, as strcasecmp does in the C locale.
func naiveLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.ToValidUTF8(s, "\xff"))
}
