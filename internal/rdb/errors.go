package rdb

import "fmt"

// CorruptError says that the input began as an RDB file that we read, or is said to be a value out of one, and is damaged or cut. errors.Is(err, io.ErrUnexpectedEOF)
// tells a cut one.
type CorruptError struct {
	// In is what the Offset counts in: empty for a file, "value" for the body of one, "dump" for the payload of a RESTORE.
	In string
	// Offset is where it was noticed, in bytes from the start; inside of a compressed part, where the part ends.
	Offset int64
	// What says what is wrong, without values of the input.
	What string
	// Err is io.ErrUnexpectedEOF if the input ended too early, else nil.
	Err error
}

// Error implements error.
func (e *CorruptError) Error() string {
	in := e.In
	if in == "" {
		in = "rdb"
	}
	return fmt.Sprintf("corrupt %s at byte %d: %s", in, e.Offset, e.What)
}

// Unwrap returns Err.
func (e *CorruptError) Unwrap() error { return e.Err }

// UnsupportedError says that the input is no RDB file, or one of a version that there never was; from [NewReader] also that it is of
// a later version than we know.
type UnsupportedError struct {
	// Magic are its first bytes, at most 9.
	Magic string
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("no rdb of a known version: begins with %q", e.Magic)
}

// UnknownError names a code or version that this package cannot walk past: a newer server wrote it, or the input is damaged
// in a way that only the CRC64 tells.
type UnknownError struct {
	// Offset is where the code is, in bytes from the start.
	Offset int64
	// What is "type or opcode", "module opcode" for a part of a module's value, or "version" of the whole file.
	What string
	// Code is the code, or the version's number.
	Code uint64
}

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown rdb %s %d at byte %d", e.What, e.Code, e.Offset)
}
