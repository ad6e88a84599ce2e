package upload

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// What a Store takes as a key. S3 has 1024 bytes for prefix and key together, file systems 255 for each part of a path.
const (
	maxKey     = 900
	maxKeyPart = 200
)

// CheckKey refuses what is not a key of a [Store]: parts of [A-Za-z0-9._-] between single slashes, none of which begins with a dot, so that a key is the same
// name in a bucket and in a directory, and leads nowhere else.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return &StoreError{Op: "name", Key: key[:maxKeyPart] + "...", Code: codeBadKey, Err: fmt.Errorf("key of %d bytes, at most %d", len(key), maxKey)}
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' || len(part) > maxKeyPart || strings.IndexFunc(part, notOfKey) >= 0 {
			return &StoreError{Op: "name", Key: key, Code: codeBadKey, Err: fmt.Errorf("%q is no part of a key", part)}
		}
	}
	return nil
}

const codeBadKey = "BadKey"

func notOfKey(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

// Location is where an archive is.
type Location struct {
	// Bucket is the S3 bucket; empty: Dir.
	Bucket string
	// Prefix is what the keys in the bucket begin with, without slashes at its ends; may be empty.
	Prefix string
	// Dir is a directory, absolute and clean.
	Dir string
}

// String is the URL, as [ParseURL] takes it.
func (l Location) String() string {
	switch {
	case l.Bucket == "":
		return "file://" + l.Dir
	case l.Prefix == "":
		return "s3://" + l.Bucket
	}
	return "s3://" + l.Bucket + "/" + l.Prefix
}

// ParseURL reads "s3://bucket/prefix" and "file:///path". How to reach the bucket is no part of it: query parameters are refused, since a
// setting that is not honoured is worse than none, and so are credentials, which an error does not repeat.
func ParseURL(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Location{}, fmt.Errorf("parse archive URL: not a URL; want s3://bucket/prefix or file:///path")
	}
	switch {
	case u.User != nil:
		return Location{}, fmt.Errorf("parse archive URL: it has credentials in it; they come from the AWS credential chain")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return Location{}, fmt.Errorf("parse archive URL %s://%s%s: it has parameters; settings belong in the configuration", u.Scheme, u.Host, u.Path)
	case u.Scheme == "s3":
		return parseBucket(text, u)
	case u.Scheme == "file":
		return parseDir(text, u)
	}
	return Location{}, fmt.Errorf("parse archive URL %s: scheme %q; want s3://bucket/prefix or file:///path", text, u.Scheme)
}

func parseBucket(text string, u *url.URL) (Location, error) {
	prefix := strings.Trim(u.Path, "/")
	switch {
	case u.Host == "" || u.Port() != "" || CheckKey(u.Host) != nil:
		return Location{}, fmt.Errorf("parse archive URL %s: %q is no bucket", text, u.Host)
	case prefix != "" && CheckKey(prefix) != nil:
		return Location{}, fmt.Errorf("parse archive URL %s: a prefix has parts of [A-Za-z0-9._-] that do not begin with a dot", text)
	}
	return Location{Bucket: u.Host, Prefix: prefix}, nil
}

func parseDir(text string, u *url.URL) (Location, error) {
	dir := path.Clean(u.Path)
	switch {
	case u.Host != "" && u.Host != "localhost":
		return Location{}, fmt.Errorf("parse archive URL %s: %q is a host; a path has three slashes: file:///path", text, u.Host)
	case !path.IsAbs(u.Path) || dir == "/" || strings.ContainsRune(dir, 0):
		return Location{}, fmt.Errorf("parse archive URL %s: want the path of a directory: file:///path", text)
	}
	return Location{Dir: dir}, nil
}
