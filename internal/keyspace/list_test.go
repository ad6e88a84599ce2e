package keyspace

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestElement(t *testing.T) {
	texts := []string{
		"", "0", "1", "-1", "127", "128", "-128", "255", "256", "65535", "-32768", "00", "-0", "+1", "1 ", "9223372036854775807",
		"-9223372036854775808", "9223372036854775808", "x", "\x00\xff",
	}
	for _, n := range []int{244, 245, 246, 250, 16380, 16381, 16382, 16383, 16384, 16385, 1 << 21} {
		texts = append(texts, strings.Repeat("y", n))
	}
	for i := range 64 {
		texts = append(texts, strconv.FormatInt(1<<i, 10), strconv.FormatInt(-(1<<i)+1, 10))
	}
	var p packed
	var sizes []int
	for _, text := range texts {
		e := packElement([]byte(text))
		b := e.bytes()
		require.Equal(t, e.size, elementBytes(b), "%.20q", text)
		var scratch numberBuffer
		require.Equal(t, text, string(elementText(append(b, "rest"...), &scratch)))
		p.pushBack(&e)
		sizes = append(sizes, e.size)
	}
	at := len(p.buf)
	for i, size := range slices.Backward(sizes) {
		require.Equal(t, at-size, p.before(at), "%.20q", texts[i])
		at -= size
	}
	require.Equal(t, p.from, at)
}

// listModel is a list as simple as can be.
type listModel struct {
	list  *listValue
	texts []string
}

func (m *listModel) check(t require.TestingT) {
	var got []string
	m.list.each(func(elem []byte) bool {
		got = append(got, string(elem))
		return true
	})
	require.Equal(t, m.texts, got)
	require.Equal(t, len(m.texts), m.list.n)
	var back []string
	var bytes int64
	n := 0
	for c := m.list.last; c != nil; c = c.prev {
		require.Positive(t, c.n, "a chunk is empty")
		n += c.n
		bytes += chunkBytes + int64(cap(c.buf))
		for at := len(c.buf); at > c.from; {
			var scratch numberBuffer
			at = c.before(at)
			back = append(back, string(elementText(c.buf[at:], &scratch)))
		}
	}
	slices.Reverse(back)
	require.Equal(t, m.texts, back, "backwards")
	require.Equal(t, len(m.texts), n)
	require.Equal(t, bytes, m.list.bytes)
}

func genElement() *rapid.Generator[string] {
	return rapid.OneOf(
		genWord(), genInt(), genBlob(),
		rapid.Map(rapid.IntRange(200, 9000), func(n int) string { return strings.Repeat("z", n) }),
	)
}

func TestListAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := listModel{list: &listValue{}}
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				end := listEnd(rapid.Bool().Draw(rt, "end"))
				for _, text := range rapid.SliceOfN(genElement(), 1, 20).Draw(rt, "elements") {
					m.list.push([]byte(text), end)
					if end == listTail {
						m.texts = append(m.texts, text)
					} else {
						m.texts = slices.Insert(m.texts, 0, text)
					}
				}
			},
			"pop": func(rt *rapid.T) {
				end := listEnd(rapid.Bool().Draw(rt, "end"))
				n := min(rapid.IntRange(0, 15).Draw(rt, "n"), len(m.texts))
				m.list.pop(n, end)
				if end == listTail {
					m.texts = m.texts[:len(m.texts)-n]
				} else {
					m.texts = m.texts[n:]
				}
			},
			"set": func(rt *rapid.T) {
				if len(m.texts) > 0 {
					i := rapid.IntRange(0, len(m.texts)-1).Draw(rt, "i")
					text := genElement().Draw(rt, "element")
					m.list.set(i, []byte(text))
					m.texts[i] = text
				}
			},
			"insert": func(rt *rapid.T) {
				if len(m.texts) == 0 {
					return
				}
				pivot := rapid.SampledFrom(m.texts).Draw(rt, "pivot")
				text := genElement().Draw(rt, "element")
				behind := rapid.Bool().Draw(rt, "behind")
				require.True(rt, m.list.insert([]byte(pivot), []byte(text), behind))
				at := slices.Index(m.texts, pivot)
				if behind {
					at++
				}
				m.texts = slices.Insert(m.texts, at, text)
			},
			"remove": func(rt *rapid.T) {
				if len(m.texts) == 0 {
					return
				}
				text := rapid.SampledFrom(m.texts).Draw(rt, "element")
				limit := rapid.IntRange(1, 4).Draw(rt, "limit")
				end := listEnd(rapid.Bool().Draw(rt, "end"))
				require.True(rt, m.list.remove([]byte(text), limit, end))
				if end == listTail {
					slices.Reverse(m.texts)
				}
				m.texts = slices.DeleteFunc(m.texts, func(s string) bool {
					if s != text || limit == 0 {
						return false
					}
					limit--
					return true
				})
				if end == listTail {
					slices.Reverse(m.texts)
				}
			},
			"clone": func(*rapid.T) {
				clone, _ := m.list.clone().(*listValue)
				m.list.push([]byte("only in the old one"), listTail)
				m.list = clone
			},
			"": func(rt *rapid.T) {
				if len(m.texts) == 0 {
					m.texts = nil
				}
				m.check(rt)
			},
		})
	})
}

// A queue that stays short stays small, whichever way it goes.
func TestListAsQueue(t *testing.T) {
	for _, in := range []listEnd{listHead, listTail} {
		l := &listValue{}
		for i := range 100_000 {
			l.push([]byte("element "+strconv.Itoa(i)), in)
			if l.n > 5 {
				l.pop(1, !in)
			}
		}
		require.Equal(t, 5, l.n)
		require.Less(t, l.size(), int64(400))
	}
}

func TestListMemory(t *testing.T) {
	for name, test := range map[string]struct {
		element string
		n       int
		most    float64 // bytes for each
	}{
		"small integers": {"12345", 100_000, 4.5},
		"words":          {"twenty bytes of text", 100_000, 23.5},
		"half chunks":    {strings.Repeat("x", 5000), 1000, 5600},
		"few":            {"twenty bytes of text", 5, 60},
	} {
		t.Run(name, func(t *testing.T) {
			l := &listValue{}
			for range test.n {
				l.push([]byte(test.element), listTail)
			}
			require.Less(t, float64(l.size())/float64(test.n), test.most)
		})
	}
}

func TestPushDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"LPUSH", "RPUSH"} {
		space := New(NewTable(), Options{})
		args := toArgs([]string{name, "key", "an element", "17"})
		require.NoError(t, space.Run(0, args))
		allocs := testing.AllocsPerRun(100_000, func() {
			require.NoError(t, space.Run(0, args))
		})
		require.Zero(t, math.Floor(allocs), "one for some hundred elements is")
	}
}
