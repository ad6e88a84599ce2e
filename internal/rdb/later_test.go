package rdb_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// replAux are the auxiliary fields that say where a file stands, as servers write them: at its start.
var replAux = cat(
	"\xfa", str("redis-ver"), str("99.1.0"), "\xfa", str("redis-bits"), "\xc0\x40",
	"\xfa", str("repl-stream-db"), "\xc0\x05", "\xfa", str("repl-id"), str(strings.Repeat("ab", 20)),
	"\xfa", str("repl-offset"), "\xc2", le32(123456789),
)

// laterMagics are those of versions that nobody has written yet.
var laterMagics = []struct {
	magic   string
	dialect rdb.Dialect
	version int
	offset  int64 // of the digits
}{
	{"REDIS0013", rdb.Redis, 13, 5},
	{"REDIS0080", rdb.Redis, 80, 5},
	{"REDIS9999", rdb.Redis, 9999, 5},
	{"VALKEY081", rdb.Valkey, 81, 6},
	{"VALKEY999", rdb.Valkey, 999, 6},
}

// laterBodies are what may follow the auxiliary fields in a file of a later version: what we know, what we do not, and what
// would be damage in a version that we know.
var laterBodies = map[string]string{
	"nothing":             "",
	"what we know":        "\xfe\x03\x00" + str("k") + str("v"),
	"unknown type":        "\x00" + str("k") + str("v") + "\x28whatever",
	"unknown opcode":      "\xf1whatever",
	"impossible length":   "\x00\x82whatever",
	"length past the end": "\x00" + str("k") + num(1<<40) + "short",
	"aux past the end":    "\xfa" + num(1<<30) + "short",
	"aux value past it":   "\xfa" + str("lua") + num(1<<30) + "short",
	"end in the middle":   "\xff" + strings.Repeat("a", 100),
	"long":                "\xf1" + strings.Repeat("0123456789abcdef", 20_000),
	"wrong list":          "\x10" + str("k") + str(le32(8)+"\x00\x00\xff"),
	"misleading aux":      "\x00" + str("k") + str("v") + "\xfa" + str("repl-offset") + str("7"),
}

func TestCheckLaterVersion(t *testing.T) {
	for _, m := range laterMagics {
		for name, body := range laterBodies {
			t.Run(m.magic+" "+name, func(t *testing.T) {
				in := sealed(m.magic + replAux + body)
				want := rdb.Summary{
					Dialect: m.dialect, Version: m.version, Bytes: int64(len(in)), ServerVersion: "99.1.0",
					ReplID: strings.Repeat("ab", 20), ReplOffset: 123456789, HasRepl: true, StreamDB: 5, Checksummed: true,
					Unwalked: &rdb.UnknownError{Offset: m.offset, What: "version", Code: uint64(m.version)},
				}
				got, err := check(in)
				require.NoError(t, err)
				require.Equal(t, want, got)
				got, err = rdb.Check(iotest.OneByteReader(strings.NewReader(in)))
				require.NoError(t, err)
				require.Equal(t, want, got, "pieces do not matter")

				got, err = check(unsealed(m.magic + replAux + body))
				require.NoError(t, err)
				want.Checksummed = false
				require.Equal(t, want, got)
			})
		}
	}
	require.EqualError(t, &rdb.UnknownError{Offset: 5, What: "version", Code: 13}, "unknown rdb version 13 at byte 5")
}

// TestCheckLaterVersionDetectsDamage: the CRC64 alone finds every flipped byte, cut, missing and doubled byte.
func TestCheckLaterVersionDetectsDamage(t *testing.T) {
	for _, magic := range []string{"REDIS0013", "VALKEY081"} {
		for _, name := range []string{"nothing", "what we know", "unknown type", "aux past the end", "end in the middle"} {
			in := sealed(magic + replAux[len(replAux)/2:] + laterBodies[name])
			for i := range len(in) {
				bad := []byte(in)
				bad[i] ^= 0x10
				requireRefused(t, string(bad), "%s %s: byte %d flipped", magic, name, i)
				requireRefused(t, in[:i], "%s %s: cut at %d", magic, name, i)
				requireRefused(t, in[:i]+in[i+1:], "%s %s: without byte %d", magic, name, i)
				requireRefused(t, in[:i]+in[i:i+1]+in[i:], "%s %s: byte %d twice", magic, name, i)
			}
		}
	}
}

func requireRefused(t *testing.T, in, what string, args ...any) {
	t.Helper()
	got, err := check(in)
	require.Error(t, err, append([]any{what}, args...)...)
	require.Zero(t, got.Bytes)
	require.False(t, got.Checksummed)
	_, corrupt := errors.AsType[*rdb.CorruptError](err)
	_, unsupported := errors.AsType[*rdb.UnsupportedError](err)
	require.True(t, corrupt || unsupported, "%v", err)
}

// TestCheckLaterVersionDamageInLongFiles: behind what is looked at for auxiliary fields, too.
func TestCheckLaterVersionDamageInLongFiles(t *testing.T) {
	in := sealed("REDIS0013" + replAux + laterBodies["long"])
	for i := 100; i < len(in); i += 9973 {
		bad := []byte(in)
		bad[i] ^= 1
		requireRefused(t, string(bad), "byte %d flipped", i)
		requireRefused(t, in[:i], "cut at %d", i)
	}
	for size := 128<<10 - 20; size < 128<<10+20; size++ { // around the size of the buffer
		in := sealed("REDIS0013\xf1" + strings.Repeat("x", size))
		got, err := check(in)
		require.NoError(t, err)
		require.Equal(t, int64(len(in)), got.Bytes)
		requireRefused(t, in[:len(in)-1], "cut")
		requireRefused(t, in+"x", "something after the end")
	}
}

// TestCheckLaterVersionCut: what is too short for an end says so; without a CRC64 the end must be where it is.
func TestCheckLaterVersionCut(t *testing.T) {
	for _, in := range []string{"REDIS0013", "REDIS0013\xff", "REDIS00131234567", "VALKEY081\xff1234567"} {
		_, err := check(in)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, in)
	}
	_, err := check("REDIS0013" + replAux + "\x00" + str("k") + str(strings.Repeat("\x00", 40)))
	require.ErrorContains(t, err, "no end where it must be", "a file that was cut in zeros")
}

// TestCheckLaterVersionAux: only the fields at the very start count, and halves of a position do not.
func TestCheckLaterVersionAux(t *testing.T) {
	got, err := check(sealed("REDIS0013" + "\xfe\x00" + replAux))
	require.NoError(t, err)
	require.False(t, got.HasRepl)
	require.Zero(t, got.StreamDB)
	require.Zero(t, got.MaxDB)

	got, err = check(sealed("REDIS0013" + replAux[:len(replAux)-20] + "\xf1"))
	require.NoError(t, err)
	require.False(t, got.HasRepl)
	require.Empty(t, got.ReplID)
	require.Equal(t, 5, got.StreamDB)
}

// TestReaderRefusesLaterVersion: items that may be others than we think are not to be copied.
func TestReaderRefusesLaterVersion(t *testing.T) {
	for _, m := range laterMagics {
		_, err := rdb.NewReader(strings.NewReader(sealed(m.magic)))
		unsupported, ok := errors.AsType[*rdb.UnsupportedError](err)
		require.True(t, ok)
		require.Equal(t, m.magic, unsupported.Magic)
	}
}

func TestCheckLaterVersionReportsReadError(t *testing.T) {
	broken := errors.New("broken")
	in := sealed("VALKEY081" + replAux + laterBodies["long"])
	for _, n := range []int{9, 50, 200, 128 << 10, len(in) - 1, len(in)} {
		_, err := rdb.Check(io.MultiReader(strings.NewReader(in[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, "after %d bytes", n)
		_, err = rdb.Check(io.MultiReader(strings.NewReader(in[:n]), emptyReader{}))
		require.ErrorIs(t, err, io.ErrNoProgress, "after %d bytes", n)
	}
}
