package resp

// keptBytes is how much of arguments 0 and 1 a Scanner keeps.
const keptBytes = 128

// maxAnnotation bounds an annotation, line end included: what fgets takes into AOF_ANNOTATION_LINE_MAX_LEN.
const maxAnnotation = 1023

// Scanner is a push parser that finds the ends of commands. The zero value is ready, for streams. It keeps
// no reference to its input, allocates only for an error, and is for one goroutine.
type Scanner struct {
	// AllowAnnotations takes "#..." lines between commands as the kind Annotation. Set it for AOF files; in a stream they are a
	// *SyntaxError.
	AllowAnnotations bool

	state state
	kind  Kind
	// known says that kind is final although the command has not ended.
	known bool
	// digits counts the digits of the number being read.
	digits int
	// num is the number being read; in an annotation the bytes of the line so far.
	num int64
	// args is the announced number of arguments, arg the index of the current one, left its bytes to come.
	args, arg int
	left      int64
	// lens are the lengths of arguments 0 and 1, kept[i][:have[i]] their first bytes.
	lens [2]int64
	have [2]int
	kept [2][keptBytes]byte

	// off counts the bytes consumed since the zero value or Reset.
	off int64
	err error
}

// Next consumes bytes of p up to the end of the current command and returns how many. done says
// that a command ended at p[n-1]; Kind, Arg and Args then describe it until the next call of Next.
// !done means n == len(p): the command goes on in the next piece, or p was empty at a command's end.
//
// An error is a *SyntaxError, reported as soon as its byte is seen; n is then the bytes before it. It is final: every
// further call returns it and consumes nothing, until Reset.
func (s *Scanner) Next(p []byte) (n int, done bool, err error) {
	if s.state == atStart {
		if n = s.whole(p); n > 0 {
			s.off += int64(n)
			return n, true, nil
		}
	}
	return s.resume(p)
}

// Kind returns the kind of the command that has just ended.
func (s *Scanner) Kind() Kind { return s.kind }

// Args returns the number of arguments, the name included; 0 for Newline and Annotation.
func (s *Scanner) Args() int { return s.args }

// Arg returns the first bytes, at most 128, of argument i, which is 0 or 1; a prefix if the argument is longer
// (ArgLen tells). Argument 1 is there only for kinds other than Other: enough for SELECT n, REPLCONF GETACK and our
// marks. What is not there, or not read yet, is empty. Valid until the next call of Next.
func (s *Scanner) Arg(i int) []byte {
	if !s.hasArg(i) {
		return nil
	}
	return s.kept[i][:s.have[i]]
}

// ArgLen returns the whole length of argument i in bytes, where Arg(i) is there, else 0.
func (s *Scanner) ArgLen(i int) int64 {
	if !s.hasArg(i) {
		return 0
	}
	return s.lens[i]
}

func (s *Scanner) hasArg(i int) bool { return i < s.args && (i == 0 || s.kind != Other) }

// Pending reports whether a command has begun and not ended.
func (s *Scanner) Pending() bool { return s.state != atStart }

// EarlyKind returns the kind of a pending command as soon as it is certain: once the name is complete, for
// CLUSTER once argument 1 is. Until then, and when nothing is pending, known is false.
// The replica needs it to keep or to drop the pieces of a huge command.
func (s *Scanner) EarlyKind() (k Kind, known bool) {
	if !s.Pending() || !s.known {
		return Other, false
	}
	return s.kind, true
}

// Reset forgets a pending command and an error, and counts offsets from 0 again. AllowAnnotations stays.
func (s *Scanner) Reset() { *s = Scanner{AllowAnnotations: s.AllowAnnotations} }

// errorHere makes a *SyntaxError at the next byte to consume.
func (s *Scanner) errorHere(what string) error { return &SyntaxError{Offset: s.off, What: what} }
