package resp

// state is what the next byte of the input is.
type state uint8

const (
	// atStart: the first byte of a command, newline or annotation.
	atStart state = iota
	// inNewline: the \n of a bare \r\n.
	inNewline
	// inAnnotation: a byte of an annotation.
	inAnnotation
	// inCount, inCountLF: the number after *, its \n.
	inCount
	inCountLF
	// atBulk: the $ of an argument.
	atBulk
	// inLen, inLenLF: the number after $, its \n.
	inLen
	inLenLF
	// inBulk: left bytes of an argument.
	inBulk
	// inBulkCR, inBulkLF: the line end after an argument.
	inBulkCR
	inBulkLF
	// failed: nothing, an error was reported.
	failed
)

// resume is Next byte by byte, but for the arguments' bytes; it stops and goes on anywhere.
func (s *Scanner) resume(p []byte) (n int, done bool, err error) {
	if s.err != nil {
		return 0, false, s.err
	}
	for n < len(p) {
		if s.state == inBulk {
			n += s.takeBulk(p[n:])
			continue
		}
		done, what := s.step(p[n])
		if what != "" {
			s.off += int64(n)
			s.state, s.err = failed, s.errorHere(what)
			return n, false, s.err
		}
		n++
		if done {
			s.state = atStart
			break
		}
	}
	s.off += int64(n)
	return n, n > 0 && s.state == atStart, nil
}

// takeBulk takes what p has of the current argument.
func (s *Scanner) takeBulk(p []byte) int {
	n := int(min(s.left, int64(len(p))))
	if s.arg < len(s.kept) {
		s.have[s.arg] += copy(s.kept[s.arg][s.have[s.arg]:], p[:n])
	}
	if s.left -= int64(n); s.left == 0 {
		s.state = inBulkCR
	}
	return n
}

// step takes one byte outside arguments. done says that it ended a command; what is not empty if it is wrong.
func (s *Scanner) step(c byte) (done bool, what string) {
	switch s.state {
	case atStart:
		return s.start(c)
	case inNewline:
		return true, want(c, '\n', "inline command")
	case inAnnotation:
		return s.annotation(c)
	case inCount:
		return false, s.number(c, maxArgs)
	case inCountLF:
		return false, s.count(c)
	case atBulk:
		s.state, s.num, s.digits = inLen, 0, 0
		return false, want(c, '$', "want $ before an argument")
	case inLen:
		return false, s.number(c, maxBulk)
	case inLenLF:
		return false, s.bulk(c)
	case inBulkCR:
		s.state = inBulkLF
		return false, want(c, '\r', "want CRLF after an argument")
	case inBulkLF:
		if c == '\n' {
			done = s.endArg()
		}
		return done, want(c, '\n', "want CRLF after an argument")
	case inBulk, failed:
	}
	return false, ""
}

// want returns what unless c is b.
func want(c, b byte, what string) string {
	if c == b {
		return ""
	}
	return what
}

// start takes the first byte of a command.
func (s *Scanner) start(c byte) (done bool, what string) {
	s.kind, s.known = Other, false
	s.args, s.arg = 0, 0
	s.num, s.digits = 0, 0
	s.have, s.lens = [2]int{}, [2]int64{}
	switch {
	case c == '*':
		s.state = inCount
	case c == '\n' || c == '\r':
		s.state, s.kind, s.known = inNewline, Newline, true
		return c == '\n', ""
	case c == '#' && s.AllowAnnotations:
		s.state, s.kind, s.known, s.num = inAnnotation, Annotation, true, 1
	default:
		return false, "want * before a command"
	}
	return false, ""
}

// annotation takes a byte of a "#" line.
func (s *Scanner) annotation(c byte) (done bool, what string) {
	if s.num++; s.num > maxAnnotation {
		return false, "annotation too long"
	}
	return c == '\n', ""
}

// number takes a digit of a number, or the \r that ends it.
func (s *Scanner) number(c byte, limit int64) (what string) {
	if c == '\r' && s.digits > 0 {
		s.state++ // inCountLF, inLenLF
		return ""
	}
	s.num, what = appendDigit(s.num, s.digits, c, limit)
	s.digits++
	return what
}

// count takes the \n after the number of arguments.
func (s *Scanner) count(c byte) (what string) {
	if c == '\n' && s.num == 0 {
		return "command without arguments"
	}
	s.args, s.state = int(s.num), atBulk
	return want(c, '\n', "want CRLF after a number")
}

// bulk takes the \n after an argument's length.
func (s *Scanner) bulk(c byte) (what string) {
	s.left, s.state = s.num, inBulk
	if s.left == 0 {
		s.state = inBulkCR
	}
	if s.arg < len(s.lens) {
		s.lens[s.arg] = s.num
	}
	return want(c, '\n', "want CRLF after a number")
}

// endArg ends the current argument and says whether it was the last.
func (s *Scanner) endArg() (done bool) {
	switch {
	case s.arg == 0:
		s.kind = kindOf(s.kept[0][:s.have[0]])
		s.known = s.kind != ClusterOther || s.args == 1
	case s.arg == 1 && s.kind == ClusterOther:
		s.kind, s.known = kindWithArg(s.kind, s.kept[1][:s.have[1]]), true
	}
	s.arg++
	s.state = atBulk
	return s.arg == s.args
}
