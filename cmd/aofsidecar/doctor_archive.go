package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

const (
	// doctorAttempts is how often the doctor tries before it says that the archive is not well.
	doctorAttempts = 3
	// multipartBytes is enough for an upload in parts.
	multipartBytes = 12 << 20
	// scratchPrefix is what the keys of the doctor's objects begin with; no catalog looks there.
	scratchPrefix = "doctor/"
	scratchBytes  = 8
)

// archiveFindings tries everything that shipping and restoring ask of the archive, on scratch keys that are removed afterwards. Nothing of ours is read or changed.
func archiveFindings(ctx context.Context, config Config) []finding {
	const check = "archive"
	if config.Archive.URL == "" {
		return nil
	}
	if _, err := config.Archive.sealer(); err != nil {
		return []finding{fail(check, err.Error(), "aofsidecar config --origin")}
	}
	if _, err := config.Archive.identities(); err != nil {
		return []finding{fail(check, err.Error(), "make that file readable for this user; shipping needs none")}
	}
	store, err := openStore(ctx, config.Archive, config.Archive.URL, false)
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{warn(check, config.Archive.URL+" is not there yet", "nothing, if that is meant: run makes the directory; then ask again")}
	}
	if err != nil {
		return []finding{fail(check, fmt.Sprintf("%s: %v", config.Archive.URL, err), "check archive.url and archive.s3")}
	}
	a := decorate(config.Archive, config.Archive.URL, store, upload.RetryOptions{Attempts: doctorAttempts, Max: time.Second}, nil)
	d := archiveDoctor{ctx: ctx, a: a, key: scratchPrefix + strings.ToLower(rand.Text()[:scratchBytes])}
	found := d.findings()
	var closing error
	if a.done(&closing); closing != nil {
		found = append(found, warn(check, closing.Error(), "nothing: it was only to be closed"))
	}
	return found
}

// archiveDoctor tries an archive.
type archiveDoctor struct {
	ctx context.Context //nolint:containedctx // of the one examination that this is
	a   *archive
	key string
}

func (d *archiveDoctor) findings() []finding {
	put := d.checkPut()
	if put.Result == resultFail {
		return []finding{put}
	}
	return []finding{put, d.checkGet(), d.checkList(), d.checkConditions(), d.checkMultipart(), d.checkEncryption(), d.checkDelete(), d.checkLease()}
}

// failed is a finding about an error.
func (d *archiveDoctor) failed(check, what string, err error) finding {
	next := "check archive.url, the network and the credentials (AWS environment, shared files, the role of the pod or instance)"
	switch failure, ok := errors.AsType[*upload.StoreError](err); {
	case d.denied(err):
		next = "allow " + what + " below this prefix; docs/s3.md has the policies"
	case ok && failure.Code == "NoSuchBucket":
		next = "make the bucket, or check its name"
	}
	return fail(check, fmt.Sprintf("%s: %v", what, err), next)
}

// denied tells that the store knows us, and does not let us.
func (d *archiveDoctor) denied(err error) bool {
	failure, ok := errors.AsType[*upload.StoreError](err)
	return ok && slices.Contains([]string{"AccessDenied", "Forbidden", "403", "EACCES", "EPERM", "EROFS"}, failure.Code)
}

func (d *archiveDoctor) checkPut() finding {
	const check = "put"
	if _, err := d.a.store.Put(d.ctx, d.key, bodyOf([]byte("scratch")), upload.Condition{}); err != nil {
		return d.failed(check, "PUT", err)
	}
	return ok(check, "%s takes objects", d.a.url)
}

func (d *archiveDoctor) checkGet() finding {
	const check = "get"
	text, err := d.read(d.key)
	if err != nil {
		return d.failed(check, "GET", err)
	}
	if string(text) != "scratch" {
		return fail(check, "an object that was just written reads as another", "use a store that is strongly consistent")
	}
	return ok(check, "and gives them back")
}

func (d *archiveDoctor) read(key string) (text []byte, err error) {
	body, _, err := d.a.store.Get(d.ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(io.LimitReader(body, multipartBytes+1))
}

func (d *archiveDoctor) checkList() finding {
	const check = "list"
	for object, err := range d.a.store.List(d.ctx, scratchPrefix, "") {
		if err != nil {
			return d.failed(check, "LIST", err)
		}
		if object.Key == d.key {
			return ok(check, "and lists them at once")
		}
	}
	return fail(check, "LIST does not show an object that was just written", "use a store whose LIST is strongly consistent")
}

func (d *archiveDoctor) checkConditions() finding {
	const check = "conditions"
	err := upload.Conditional(d.ctx, d.a.store, d.key+"-conditional")
	switch {
	case errors.Is(err, upload.ErrUnconditional) && bool(d.a.config.Lease.Enabled):
		return fail(check, "the store knows no conditional writes, which the lease is made of",
			"set archive.lease.enabled: false if nothing else ships there, or use a store with If-Match and If-None-Match")
	case errors.Is(err, upload.ErrUnconditional):
		return warn(check, "the store knows no conditional writes: nothing but you keeps a second sidecar away", "see docs/archive.md, the lease, and epochs")
	case err != nil:
		return d.failed(check, "conditional PUT", err)
	case !bool(d.a.config.Lease.Enabled):
		return warn(check, "the store knows conditional writes, and the lease is off", "set archive.lease.enabled: true")
	}
	return ok(check, "conditional writes hold")
}

func (d *archiveDoctor) checkMultipart() finding {
	const check = "multipart"
	key := d.key + "-large"
	body := upload.Body{Size: -1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zeros{}, multipartBytes)), nil
	}}
	object, err := d.a.store.Put(d.ctx, key, body, upload.Condition{})
	if err != nil {
		return d.failed(check, "multipart PUT", err)
	}
	d.forget(key)
	if object.Size != multipartBytes {
		return fail(check, fmt.Sprintf("an object of %d bytes is stored as one of %d", int64(multipartBytes), object.Size), "use another store")
	}
	if _, err := d.a.store.Sweep(d.ctx, scratchPrefix, time.Unix(0, 0)); err != nil { // of before 1970: none
		return warn(check, fmt.Sprintf("large objects go in parts, and retention will not find those of uploads that never end: %v", err),
			"allow s3:ListBucketMultipartUploads on the bucket, or have a lifecycle rule give up such uploads; see docs/s3.md")
	}
	return ok(check, "large objects go in parts")
}

// zeros is a reader of nothing but zeros.
type zeros struct{}

// Read reads zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (d *archiveDoctor) checkEncryption() finding {
	const check = "encryption"
	c := d.a.config
	switch {
	case len(c.Encryption.Recipients) > 0 && c.Encryption.IdentityFile == "":
		return warn(check, "objects are encrypted, and no identity is configured here: neither archive.verify nor restore can read them on this machine",
			"keep the secret key where you restore, and try it there: aofsidecar verify --archive --deep")
	case len(c.Encryption.Recipients) > 0:
		return d.checkAge()
	case c.S3.SSE != "":
		return ok(check, "by the store, %s, as the PUTs above show", c.S3.SSE)
	case strings.HasPrefix(d.a.url, "s3:"):
		return ok(check, "as the bucket does it by default")
	}
	return ok(check, "none")
}

// checkAge seals and opens.
func (d *archiveDoctor) checkAge() finding {
	const check = "encryption"
	next := "set archive.encryption.identity-file to a file with the secret key of one of archive.encryption.recipients"
	sealer, err := d.a.config.sealer()
	if err != nil {
		return fail(check, err.Error(), next)
	}
	identities, err := d.a.config.identities()
	if err != nil {
		return fail(check, err.Error(), next)
	}
	var sealed bytes.Buffer
	w, err := sealer.Seal(&sealed, -1)
	if err == nil {
		_, err = io.WriteString(w, "scratch")
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fail(check, err.Error(), next)
	}
	plain, err := upload.NewOpener(identities).Open("scratch.zst.age", &sealed)
	if err != nil {
		return fail(check, "what is encrypted for archive.encryption.recipients cannot be opened with archive.encryption.identity-file", next)
	}
	if err := plain.Close(); err != nil {
		return fail(check, err.Error(), next)
	}
	return ok(check, "by age, and this machine can read it")
}

// checkDelete is optional: an archive may be one from which nothing can be removed.
func (d *archiveDoctor) checkDelete() finding {
	const check = "delete"
	err := d.a.store.Delete(d.ctx, d.key)
	switch {
	case err == nil && bool(d.a.config.Retention.Enabled):
		return ok(check, "objects can be removed")
	case err == nil:
		return ok(check, "objects can be removed; archive.retention is off")
	case errors.Is(err, upload.ErrRetained), d.denied(err):
		return warn(check, fmt.Sprintf("objects cannot be removed, the scratch ones at %s included: %v", scratchPrefix, err),
			"nothing, if that is meant: retention then counts what it would remove, and aofsidecar prune --confirm can do it from elsewhere; see docs/s3.md")
	}
	return d.failed(check, "DELETE", err)
}

func (d *archiveDoctor) forget(key string) {
	_ = d.a.store.Delete(d.ctx, key) // checkDelete says whether that works
}

func (d *archiveDoctor) checkLease() finding {
	const check = "lease"
	lease, err := upload.ReadLease(d.ctx, d.a.store)
	switch {
	case isNotFound(err):
		return ok(check, "nobody has shipped there with a lease")
	case err != nil:
		found := d.failed(check, "GET of the lease", err)
		if d.denied(err) {
			found.Next = "allow GET below this prefix, and LIST of it, without which S3 denies what is not there; docs/s3.md has the policies"
		}
		return found
	case lease.Released:
		return ok(check, "free; epoch %d", lease.Epoch)
	}
	return ok(check, "held by %s, epoch %d, renewed %s", rivalName(&lease), lease.Epoch, lease.RenewedAt.Format(time.RFC3339))
}

// bodyOf is a body in memory.
func bodyOf(p []byte) upload.Body {
	return upload.Body{Size: int64(len(p)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }}
}
