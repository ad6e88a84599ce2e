package upload_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/upload"
)

func identity(tb testing.TB) *age.X25519Identity {
	tb.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(tb, err)
	return id
}

func sealer(tb testing.TB, opt upload.SealOptions) *upload.Sealer {
	tb.Helper()
	s, err := upload.NewSealer(opt)
	require.NoError(tb, err)
	return s
}

// keyFor is a name that says how s seals.
func keyFor(s *upload.Sealer, plain []byte) string {
	k := someSegment()
	sum := upload.NewSum()
	_, _ = sum.Write(plain)
	k.Sum, k.Zstd, k.Age = sum.String(), s.Zstd(), s.Age()
	return k.String()
}

func sealBytes(tb testing.TB, s *upload.Sealer, plain []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := s.Seal(&buf, int64(len(plain)))
	require.NoError(tb, err)
	for p := plain; len(p) > 0; {
		n := min(len(p), 70001)
		_, err := w.Write(p[:n])
		require.NoError(tb, err)
		p = p[n:]
	}
	require.NoError(tb, w.Close())
	_, err = w.Write([]byte("x"))
	require.Error(tb, err)
	return buf.Bytes()
}

func openBytes(tb testing.TB, o *upload.Opener, key string, sealed io.Reader) ([]byte, error) {
	tb.Helper()
	r, err := o.Open(key, sealed)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(tb, r.Close()) }()
	k, ok := upload.ParseSegmentKey(key)
	require.True(tb, ok)
	return io.ReadAll(upload.Checked(key, k.Sum, r))
}

// texture is n bytes that compress somewhat.
func texture(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefgh"[rng.IntN(8)]
	}
	return b
}

func TestSealRoundTrip(t *testing.T) {
	id := identity(t)
	for name, opt := range map[string]upload.SealOptions{
		"zstd":      {},
		"plain":     {NoCompression: true},
		"zstd, age": {Recipients: []age.Recipient{id.Recipient()}},
		"age":       {NoCompression: true, Recipients: []age.Recipient{identity(t).Recipient(), id.Recipient()}},
		"better":    {Level: zstd.SpeedBetterCompression},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := sealer(t, opt), upload.NewOpener([]age.Identity{identity(t), id})
			for _, size := range []int{0, 1, 65536, 3 << 20, 17} {
				plain := texture(size)
				sealed := sealBytes(t, s, plain)
				require.Equal(t, s.Age(), bytes.HasPrefix(sealed, []byte("age-encryption.org/v1\n")))
				got, err := openBytes(t, o, keyFor(s, plain), iotest.HalfReader(bytes.NewReader(sealed)))
				require.NoError(t, err)
				require.True(t, bytes.Equal(plain, got))
			}
		})
	}
}

func TestSealStatesTheSize(t *testing.T) {
	var head zstd.Header
	require.NoError(t, head.Decode(sealBytes(t, sealer(t, upload.SealOptions{}), texture(3<<20))))
	require.True(t, head.HasFCS)
	require.Equal(t, uint64(3<<20), head.FrameContentSize)
	require.LessOrEqual(t, head.WindowSize, uint64(1<<20))

	w, err := sealer(t, upload.SealOptions{}).Seal(io.Discard, 3)
	require.NoError(t, err)
	_, err = w.Write([]byte("four"))
	require.NoError(t, err)
	require.Error(t, w.Close())
}

func TestOpenWithoutTheIdentity(t *testing.T) {
	s := sealer(t, upload.SealOptions{Recipients: []age.Recipient{identity(t).Recipient()}})
	plain := texture(100)
	for n, o := range []*upload.Opener{upload.NewOpener(nil), upload.NewOpener([]age.Identity{identity(t)})} {
		_, err := o.Open(keyFor(s, plain), bytes.NewReader(sealBytes(t, s, plain)))
		var want *upload.IdentityError
		require.ErrorAs(t, err, &want)
		require.Equal(t, upload.IdentityError{Key: keyFor(s, plain), Given: n}, *want)
	}
}

func TestOpenFindsDamage(t *testing.T) {
	id := identity(t)
	o := upload.NewOpener([]age.Identity{id})
	for name, opt := range map[string]upload.SealOptions{
		"zstd":      {},
		"plain":     {NoCompression: true},
		"zstd, age": {Recipients: []age.Recipient{id.Recipient()}},
	} {
		t.Run(name, func(t *testing.T) {
			s, plain := sealer(t, opt), texture(200_000)
			sealed, key := sealBytes(t, s, plain), keyFor(s, plain)
			requireDamaged := func(what string, bad []byte) {
				t.Helper()
				_, err := openBytes(t, o, key, bytes.NewReader(bad))
				var damaged *upload.DamagedError
				if _, other := errors.AsType[*upload.IdentityError](err); other {
					return // a stanza that is damaged is somebody else's
				}
				require.ErrorAs(t, err, &damaged, what)
				require.Equal(t, key, damaged.Key)
			}
			for at := 0; at < len(sealed); at += 1 + len(sealed)/100 {
				requireDamaged("cut", sealed[:at])
				bad := bytes.Clone(sealed)
				bad[at] ^= 0x40
				requireDamaged("flipped", bad)
			}
			requireDamaged("longer", append(bytes.Clone(sealed), "tail"...))
			requireDamaged("another", sealBytes(t, s, texture(199_999)))
		})
	}
}

func TestOpenTellsTheSourcesErrors(t *testing.T) {
	broken := errors.New("the network went")
	id := identity(t)
	for _, opt := range []upload.SealOptions{{}, {NoCompression: true}, {Recipients: []age.Recipient{id.Recipient()}}} {
		s, plain := sealer(t, opt), texture(200_000)
		sealed := sealBytes(t, s, plain)
		for _, at := range []int{0, 10, len(sealed) / 2, len(sealed)} {
			r := io.MultiReader(bytes.NewReader(sealed[:at]), iotest.ErrReader(broken))
			_, err := openBytes(t, upload.NewOpener([]age.Identity{id}), keyFor(s, plain), r)
			require.ErrorIs(t, err, broken)
			var damaged *upload.DamagedError
			require.NotErrorAs(t, err, &damaged)
		}
	}
}

func TestOpenRefusesALargeWindow(t *testing.T) {
	var buf bytes.Buffer
	enc, err := zstd.NewWriter(&buf, zstd.WithWindowSize(64<<20), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = enc.ReadFrom(io.LimitReader(strings.NewReader(strings.Repeat("x", 9<<20)), 9<<20))
	require.NoError(t, err)
	require.NoError(t, enc.Close())
	_, err = openBytes(t, upload.NewOpener(nil), someSegment().String(), &buf)
	var damaged *upload.DamagedError
	require.ErrorAs(t, err, &damaged)
}

// FuzzOpen: no input makes it panic, and what is accepted has the sum.
func FuzzOpen(f *testing.F) {
	s := sealer(f, upload.SealOptions{})
	plain := []byte("*1\r\n$4\r\nPING\r\n")
	key := keyFor(s, plain)
	f.Add(sealBytes(f, s, plain))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{})
	o := upload.NewOpener(nil)
	f.Fuzz(func(t *testing.T, sealed []byte) {
		got, err := openBytes(t, o, key, io.LimitReader(bytes.NewReader(sealed), 1<<20))
		if err == nil {
			require.Equal(t, plain, got)
		}
	})
}
