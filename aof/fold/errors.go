package fold

import "fmt"

// InputError says where a file is not what it should be: nothing that could be loaded comes of it.
type InputError struct {
	File   string
	Offset int64 // in bytes
	Err    error
}

// Error names file and offset.
func (e *InputError) Error() string { return fmt.Sprintf("%s at byte %d: %v", e.File, e.Offset, e.Err) }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.Err }

// CannotError says that these files cannot be folded without a server: rewrite.fallback decides what is done instead.
type CannotError struct {
	What string
}

// Error says why.
func (e *CannotError) Error() string { return "it cannot be folded: " + e.What }
