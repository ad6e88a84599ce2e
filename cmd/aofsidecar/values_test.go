package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"go.yaml.in/yaml/v3"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "60s": time.Minute, "1h30m": 90 * time.Minute, "-1s": -time.Second,
	} {
		var got Duration
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, time.Duration(got), text)
	}
	for _, text := range []string{"", "5", "0", "1.5", "-3", "5 s", "1e3", "five", "5d", "NaN"} {
		var got Duration
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func TestDurationString(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "1m": time.Minute, "10m": 10 * time.Minute, "1h": time.Hour, "20h": 20 * time.Hour,
		"1h30m": 90 * time.Minute, "1h0m1s": time.Hour + time.Second, "10s": 10 * time.Second, "1m30s": 90 * time.Second,
	} {
		require.Equal(t, want, Duration(d).String())
	}
}

func TestSizeText(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "17b": 17, "64mb": 64 << 20, "64m": 64_000_000, "64MiB": 64 << 20, "64MB": 64 << 20,
		"1k": 1000, "1kb": 1024, "1g": 1_000_000_000, "1gb": 1 << 30, "2TiB": 2 << 40, "9223372036854775807": 1<<63 - 1,
	} {
		var got Size
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "mb", "-1", "1.5gb", "64 mb", "64mbit", "9223372036854775808", "9999999999gb", "80%"} {
		var got Size
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func TestDiskLimitText(t *testing.T) {
	for text, want := range map[string]DiskLimit{"80%": {Percent: 80}, "1%": {Percent: 1}, "100%": {Percent: 100}, "20gb": {Bytes: 20 << 30}, "0": {}} {
		var got DiskLimit
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "%", "0%", "101%", "-1%", "8.5%", "80 %", "x"} {
		var got DiskLimit
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func TestWordsText(t *testing.T) {
	for text, want := range map[string]Words{"": nil, " , ": nil, "a": {"a"}, "a,b": {"a", "b"}, " a\nb,,c\t": {"a", "b", "c"}} {
		var got Words
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
	}
	require.Equal(t, "a,b", Words{"a", "b"}.String())
}

func TestCountText(t *testing.T) {
	var got Count
	require.NoError(t, got.UnmarshalText([]byte("17")))
	require.Equal(t, Count(17), got)
	for _, text := range []string{"", "-1", "1.5", "two", "9999999999"} {
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func FuzzSizeText(f *testing.F) {
	for _, seed := range []string{"0", "64mb", "1gb", "1000", "9223372036854775807", "1025kb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size, again Size
		if size.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.GreaterOrEqual(t, size, Size(0))
		require.NoError(t, again.UnmarshalText([]byte(size.String())))
		require.Equal(t, size, again)
	})
}

func TestBoolText(t *testing.T) {
	for text, want := range map[string]Bool{"true": true, "yes": true, "false": false, "no": false} {
		got := !want
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "1", "on", "True", "nope"} {
		var got Bool
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const word = "hunter2"
	type holder struct {
		Password Secret `json:"password" yaml:"password"`
	}
	secret := holder{Secret{word}}
	require.Equal(t, word, secret.Password.Reveal())

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T %v"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, secret.Password))
	}
	asJSON, err := json.Marshal(secret)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(secret)
	require.NoError(t, err)
	printed = append(printed, string(asJSON), string(asYAML), fmt.Sprint(&UsageError{Err: fmt.Errorf("dial: %v", secret)}))

	core, logs := observer.New(zap.DebugLevel)
	zap.New(core).Info("connect", zap.Any("config", secret), zap.Stringer("password", secret.Password), zap.Any("word", secret.Password))
	for _, entry := range logs.All() {
		for _, field := range entry.Context {
			printed = append(printed, fmt.Sprint(field.Interface))
		}
	}
	for _, text := range printed {
		require.NotContains(t, text, word)
		require.NotContains(t, text, "68756e74657232") // the same in hex
	}
	require.JSONEq(t, `{"password": "***"}`, string(asJSON))
	require.Empty(t, Secret{}.String())
}
