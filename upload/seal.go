package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// The windows of zstd, in bytes: what we write, and the largest that is read, which is what each decoder may keep in memory.
const (
	sealWindow = 1 << 20
	openWindow = 8 << 20
)

// SealOptions say how objects are made.
type SealOptions struct {
	// NoCompression stores plain bytes.
	NoCompression bool
	// Level is zstd's; 0: the fastest, with which one core keeps up with a network.
	Level zstd.EncoderLevel
	// Recipients may open what is sealed; none: it is not encrypted.
	Recipients []age.Recipient
}

// Sealer compresses with zstd and then encrypts with age (https://age-encryption.org/v1). Safe for concurrent use.
type Sealer struct {
	opt      SealOptions
	encoders sync.Pool
}

// NewSealer makes a Sealer.
func NewSealer(opt SealOptions) (*Sealer, error) {
	if opt.Level == 0 {
		opt.Level = zstd.SpeedFastest
	}
	s := &Sealer{opt: opt}
	if opt.NoCompression {
		return s, nil
	}
	enc, err := s.encoder()
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	s.encoders.Put(enc)
	return s, nil
}

// Zstd reports whether it compresses, as names say it.
func (s *Sealer) Zstd() bool { return !s.opt.NoCompression }

// Age reports whether it encrypts, as names say it.
func (s *Sealer) Age() bool { return len(s.opt.Recipients) > 0 }

// encoder makes an encoder that works in its caller's goroutine alone.
func (s *Sealer) encoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(s.opt.Level), zstd.WithWindowSize(sealWindow),
		zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
}

// Seal returns a writer of plain bytes; sealed ones go to w. size is how many there will be, which the object then states for whoever asks
// how much space it takes; -1: not known. What is sealed is whole when Close has returned nil; w is not closed. Another number
// of bytes than size is an error of Close. Memory is bounded whatever the size.
func (s *Sealer) Seal(w io.Writer, size int64) (io.WriteCloser, error) {
	sealed := &sealing{s: s, top: w}
	if s.Age() {
		crypt, err := age.Encrypt(w, s.opt.Recipients...)
		if err != nil {
			return nil, fmt.Errorf("encrypt: %w", err)
		}
		sealed.top, sealed.crypt = crypt, crypt
	}
	if s.opt.NoCompression {
		return sealed, nil
	}
	enc, ok := s.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		if enc, err = s.encoder(); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	if size >= 0 {
		enc.ResetContentSize(sealed.top, size)
	} else {
		enc.Reset(sealed.top)
	}
	sealed.top, sealed.enc = enc, enc
	return sealed, nil
}

// sealing is one object on its way.
type sealing struct {
	s     *Sealer
	top   io.Writer
	enc   *zstd.Encoder
	crypt io.WriteCloser
}

// Write takes plain bytes.
func (w *sealing) Write(p []byte) (int, error) { return w.top.Write(p) }

// Close writes what is left.
func (w *sealing) Close() error {
	if w.enc != nil {
		if err := w.enc.Close(); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		w.enc.Reset(nil)
		w.s.encoders.Put(w.enc)
		w.enc = nil
	}
	if w.crypt != nil {
		if err := w.crypt.Close(); err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		w.crypt = nil
	}
	w.top = closedWriter{}
	return nil
}

// closedWriter refuses bytes behind the end.
type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, errors.New("write to a sealed object") }

// Opener opens what a Sealer sealed. Safe for concurrent use.
type Opener struct {
	identities []age.Identity
	decoders   sync.Pool
}

// NewOpener makes an Opener that opens what is sealed for any of the identities, and what is not encrypted.
func NewOpener(identities []age.Identity) *Opener { return &Opener{identities: identities} }

// Open returns the plain bytes of the object key, whose bytes r reads; the end of the name says how it is sealed. It reads the head of what is
// encrypted: *IdentityError if no identity fits. Damage is a *DamagedError, from here or from a read, the errors of r are returned
// as they are. The bytes are not compared with the name: see Checked. Closing does not close r. Memory is bounded.
func (o *Opener) Open(key string, r io.Reader) (io.ReadCloser, error) {
	src := &source{r: r}
	opened := &opening{o: o, key: key, src: src, top: src}
	if name, encrypted := strings.CutSuffix(key, ageSuffix); encrypted {
		plain, err := o.decrypt(name+ageSuffix, src)
		if err != nil {
			return nil, err
		}
		opened.top, key = plain, name
	}
	if !strings.HasSuffix(key, zstdSuffix) {
		return opened, nil
	}
	dec, ok := o.decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(openWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
	}
	if err := dec.Reset(opened.top); err != nil {
		return nil, opened.damage(err)
	}
	opened.top, opened.dec = dec, dec
	return opened, nil
}

func (o *Opener) decrypt(key string, src *source) (io.Reader, error) {
	if len(o.identities) == 0 {
		return nil, &IdentityError{Key: key}
	}
	plain, err := age.Decrypt(src, o.identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, &IdentityError{Key: key, Given: len(o.identities)}
	}
	if err != nil {
		return nil, (&opening{key: key, src: src}).damage(err)
	}
	return plain, nil
}

// source remembers how its reader failed, so that damage can be told from it.
type source struct {
	r   io.Reader
	err error
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// opening is one object on its way.
type opening struct {
	o   *Opener
	key string
	src *source
	top io.Reader
	dec *zstd.Decoder
}

// Read reads plain bytes.
func (r *opening) Read(p []byte) (int, error) {
	n, err := r.top.Read(p)
	if err != nil && (err != io.EOF || r.src.err != nil) { //nolint:errorlint // only io.EOF itself is the end
		err = r.damage(err)
	}
	return n, err
}

// damage says what an error of the layers above the source means.
func (r *opening) damage(err error) error {
	if r.src.err != nil && !errors.Is(r.src.err, ErrChecksum) {
		return r.src.err
	}
	return &DamagedError{Key: r.key, What: err.Error()}
}

// Close gives the decoder back.
func (r *opening) Close() error {
	if r.dec == nil {
		return nil
	}
	if err := r.dec.Reset(nil); err != nil {
		return fmt.Errorf("reset decoder: %w", err)
	}
	r.o.decoders.Put(r.dec)
	r.dec, r.top = nil, strings.NewReader("")
	return nil
}

// readFull fills p from r. end says that r has ended: with io.EOF itself, for a connection that broke may say so wrapped.
func readFull(r io.Reader, p []byte) (n int, end bool, err error) {
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// Sum hashes plain bytes as names state it: it is written to.
type Sum struct{ h hash.Hash }

// NewSum returns a Sum of nothing yet.
func NewSum() *Sum { return &Sum{h: sha256.New()} }

// Write takes bytes; it never fails.
func (s *Sum) Write(p []byte) (int, error) { return s.h.Write(p) }

// String is the first 16 hexadecimal digits of the SHA-256 of what was written.
func (s *Sum) String() string { return hex.EncodeToString(s.h.Sum(nil))[:sumDigits] }

// check compares with the sum that the name of the object states.
func (s *Sum) check(key, want string) error {
	if got := s.String(); got != want {
		return &DamagedError{Key: key, What: "its bytes have the checksum " + got}
	}
	return nil
}

// Checked reads the plain bytes r of the object key to their end; if they do not have the sum that the name states, the end
// is a *DamagedError.
func Checked(key, sum string, r io.Reader) io.Reader {
	return &checked{key: key, want: sum, r: r, sum: NewSum()}
}

type checked struct {
	key, want string
	r         io.Reader
	sum       *Sum
}

// Read reads on.
func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if _, herr := c.sum.Write(p[:n]); herr != nil {
		return n, herr
	}
	if err == io.EOF {
		if damaged := c.sum.check(c.key, c.want); damaged != nil {
			return n, damaged
		}
	}
	return n, err
}

// IdentityError says that an object is encrypted and no identity opens it.
type IdentityError struct {
	Key   string
	Given int // how many identities were tried
}

// Error says what is missing.
func (e *IdentityError) Error() string {
	if e.Given == 0 {
		return fmt.Sprintf("%s is encrypted, and no age identity was given", e.Key)
	}
	return fmt.Sprintf("%s is encrypted for somebody else: none of the %d age identities given opens it", e.Key, e.Given)
}

// DamagedError says that an object is not what its name says.
type DamagedError struct {
	Key  string `json:"key"`
	What string `json:"what"`
}

// Error says which object, and what is wrong.
func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Key, e.What) }
