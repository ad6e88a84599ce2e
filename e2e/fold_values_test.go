package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// valuesOf reads an RDB into text by key: two have the same if a server shows the same, whatever the encodings and the order in the file.
func valuesOf(t *testing.T, data []byte) map[string]string {
	t.Helper()
	r, err := rdb.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	f := rdb.Format{Dialect: r.Dialect(), Version: r.Version()}
	values := make(map[string]string)
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return values
		}
		require.NoError(t, err)
		var raw bytes.Buffer
		require.NoError(t, r.CopyRaw(&raw))
		switch item.Kind { //nolint:exhaustive // the others hold no data
		case rdb.FunctionItem:
			source, err := rdb.DecodeString(raw.Bytes()[1:])
			require.NoError(t, err)
			values["function "+string(source)] = ""
		case rdb.KeyItem:
			name := fmt.Sprintf("db %d key %q", item.DB, item.Key)
			require.NotContains(t, values, name)
			text, err := valueText(f, item.Type, raw.Bytes()[item.HeadBytes:])
			require.NoError(t, err, name)
			if item.HasExpire {
				text = fmt.Sprintf("%s until %d", text, item.Expire)
			}
			values[name] = text
		}
	}
}

// valueText is a value as text; what has no order is sorted.
func valueText(f rdb.Format, typ rdb.Type, raw []byte) (string, error) {
	var (
		elements []string
		kind     string
		err      error
	)
	sorted := true
	switch {
	case typ == rdb.TypeString:
		s, err := rdb.DecodeString(raw)
		return fmt.Sprintf("string %q", s), err
	case typ == rdb.TypeModule2:
		return fmt.Sprintf("module %x", raw), nil
	case slices.Contains([]rdb.Type{rdb.TypeStreamListpacks, rdb.TypeStreamListpacks2, rdb.TypeStreamListpacks3}, typ):
		return streamText(f, typ, raw)
	case slices.Contains([]rdb.Type{rdb.TypeList, rdb.TypeListZiplist, rdb.TypeListQuicklist, rdb.TypeListQuicklist2}, typ):
		kind, sorted = "list", false
		err = rdb.DecodeList(f, typ, raw, func(e []byte) { elements = append(elements, fmt.Sprintf("%q", e)) })
	case slices.Contains([]rdb.Type{rdb.TypeSet, rdb.TypeSetIntset, rdb.TypeSetListpack}, typ):
		kind = "set"
		err = rdb.DecodeSet(f, typ, raw, func(e []byte) { elements = append(elements, fmt.Sprintf("%q", e)) })
	case slices.Contains([]rdb.Type{rdb.TypeZSet, rdb.TypeZSet2, rdb.TypeZSetZiplist, rdb.TypeZSetListpack}, typ):
		kind = "zset"
		err = rdb.DecodeZSet(f, typ, raw, func(e []byte, score float64) { elements = append(elements, fmt.Sprintf("%q %v", e, score)) })
	default:
		kind = "hash"
		err = rdb.DecodeHash(f, typ, raw, func(field, value []byte, expire int64) {
			elements = append(elements, fmt.Sprintf("%q %q %d", field, value, expire))
		})
	}
	if sorted {
		slices.Sort(elements)
	}
	return kind + " " + strings.Join(elements, " "), err
}

// streamText is a stream as the commands that make it: how its entries are divided into nodes shows nowhere.
func streamText(f rdb.Format, typ rdb.Type, raw []byte) (string, error) {
	key := keyspace.NewKey(f, 0, nil, typ, raw, rdb.NoExpire)
	text, err := key.AppendCommands(nil)
	return "stream " + string(text), err
}
