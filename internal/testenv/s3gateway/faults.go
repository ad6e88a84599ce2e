package s3gateway

import (
	"net/http"
	"strings"
	"time"
)

// Kind is what goes wrong with a request.
type Kind int

// The kinds of fault.
const (
	// Answer answers in the server's place: Fault.Status, Code and RetryAfter.
	Answer Kind = iota
	// Reset ends the connection before the server sees the request.
	Reset
	// LoseAnswer carries the request out and resets the connection in place of the answer.
	LoseAnswer
	// HangRequest reads At bytes of the request's body and then nothing more until [Proxy.Release].
	HangRequest
	// HangAnswer sends the header and At bytes of the body of the answer, and then nothing more until [Proxy.Release].
	HangAnswer
	// Truncate resets the connection after At bytes of the body of the answer.
	Truncate
	// FlipAnswer inverts byte At of the body of the answer.
	FlipAnswer
	// FlipRequest inverts byte At of the body of the request.
	FlipRequest
	// Forgive answers that all went well where a condition did not hold, as a server that takes no notice of conditions.
	Forgive
	// Delay holds the request back for Fault.Delay.
	Delay
)

// Fault is one thing that goes wrong.
type Fault struct {
	Kind Kind
	// Match chooses requests; nil: all.
	Match func(*http.Request) bool
	// Skip is how many matching requests go well first; Times how many do not then, 0: all.
	Skip, Times int
	// At counts bytes of a body.
	At int64
	// Status, Code (S3's) and RetryAfter (seconds; 0: none) are an Answer's.
	Status     int
	Code       string
	RetryAfter int
	Delay      time.Duration
}

// On matches the requests of one of S3's operations: "PutObject", "GetObject", "HeadObject", "DeleteObject", "ListObjectsV2", "CreateMultipartUpload", "UploadPart",
// "CompleteMultipartUpload", "AbortMultipartUpload", "ListMultipartUploads".
func On(operation string) func(*http.Request) bool {
	return func(r *http.Request) bool { return Operation(r) == operation }
}

// Operation is S3's word for a request.
func Operation(r *http.Request) string {
	query := r.URL.Query()
	object := strings.Contains(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case !object && query.Has("uploads"):
		return "ListMultipartUploads"
	case !object:
		return "ListObjectsV2"
	case r.Method == http.MethodPost && query.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodPut && query.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		return "AbortMultipartUpload"
	}
	return map[string]string{
		http.MethodPut: "PutObject", http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
}
