package s3store

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

const (
	// maxAnswer bounds what is read of an answer that is not an object. The largest there is is a page of a listing: a thousand keys of a kilobyte at most.
	maxAnswer = 4 << 20
	// maxCode and maxMessage bound what is kept of the store's words, in bytes.
	maxCode    = 64
	maxMessage = 1 << 10
	// maxForeignPages bounds how many pages of a listing in a row may have nothing of ours.
	maxForeignPages = 1000
)

// errNoEnd says that a store answers more than there can be.
var errNoEnd = errors.New("the store's answer is larger than any can be")

// boundedAnswers bounds answers that the SDK takes into memory: all but the bytes of objects.
type boundedAnswers struct{ next http.RoundTripper }

// RoundTrip sends one request.
func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	object := answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusPartialContent
	if !object || r.Method != http.MethodGet || r.URL.Query().Get("x-id") != "GetObject" {
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	}
	return answer, nil
}

// boundedBody is the body of an answer that is read up to a bound.
type boundedBody struct {
	io.ReadCloser

	left int64
}

// Read fails where there is more.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errNoEnd
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// plain returns the beginning of a text that a store chose, without what terminals act upon.
func plain(text string, limit int) string {
	shown := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text[:min(len(text), limit)])
	if len(text) > limit {
		return shown + "..."
	}
	return shown
}

// saidError is an error with the store's words in it.
type saidError struct{ err error }

// Error shows them in part.
func (e saidError) Error() string { return plain(e.err.Error(), maxMessage) }

// Unwrap returns the error as it came.
func (e saidError) Unwrap() error { return e.err }

// pages looks after a listing that must come to an end.
type pages struct {
	token   string // that asked for the present one
	foreign int    // how many in a row had nothing of ours
}

// next takes up the token of the next page.
func (p *pages) next(token string, ours int) error {
	if p.foreign++; ours > 0 {
		p.foreign = 0
	}
	if token == p.token {
		return errors.New("the store's listing goes in circles")
	}
	if p.foreign > maxForeignPages {
		return fmt.Errorf("the last %d pages of the store's listing have no object of an archive", p.foreign)
	}
	p.token = token
	return nil
}
