package keyspace

import (
	"fmt"
	"strings"
	"testing"
)

// claimed is an XCLAIM as servers propagate it.
func claimed(consumer, id string, rest ...string) string {
	return "XCLAIM s g " + consumer + " 0 " + id + " TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID " + strings.Join(rest, " ")
}

func TestXGroup(t *testing.T) {
	t.Parallel()
	three := entries(1, 3, "a b")
	for name, commands := range map[string][]string{
		"create":               with(three, "XGROUP CREATE s g 0", "XGROUP CREATE s h $", "XGROUP CREATE s i 1-2", "xgroup create s j 9-9", "XGROUP CREATE s k 1"),
		"create, no key":       {"XGROUP CREATE s g 0", "XGROUP CREATE s g $ ENTRIESREAD 5"},
		"create the key":       {"XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s h 5-5 MKSTREAM", "XADD s 1-1 a b", "XADD s 1-2 a b"},
		"create twice":         with(three, "XGROUP CREATE s g 0", "XGROUP CREATE s g $", "XGROUP CREATE s g 1-1 MKSTREAM"),
		"create, bad id":       with(three, "XGROUP CREATE s g x", "XGROUP CREATE s g -", "XGROUP CREATE s g +", "XGROUP CREATE s g 1-*", `XGROUP CREATE s g ""`, "XGROUP CREATE s g >"),
		"create key, bad id":   {"XGROUP CREATE s g x MKSTREAM"},
		"create with options":  with(three, "XGROUP CREATE s g 0 ENTRIESREAD 2", "XGROUP CREATE s h 1-2 ENTRIESREAD -1", "XGROUP CREATE s i 1-3 entriesread 99", "XGROUP CREATE s j 0 MKSTREAM ENTRIESREAD 0", "XGROUP CREATE s k 0 ENTRIESREAD 0 MKSTREAM"),
		"create, bad options":  with(three, "XGROUP CREATE s g 0 ENTRIESREAD", "XGROUP CREATE s g 0 ENTRIESREAD -2", "XGROUP CREATE s g 0 ENTRIESREAD x", "XGROUP CREATE s g 0 x", "XGROUP CREATE s g 0 MKSTREAM MKSTREAM MKSTREAM", "XGROUP CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", "XGROUP CREATE s i 0 ENTRIESREAD 1 ENTRIESREAD 2 MKSTREAM"),
		"create of last":       with(three, `XGROUP CREATE s g "$\x00x"`, "XGROUP CREATE s h $$"),
		"odd names":            with(three, `XGROUP CREATE s "" 0`, `XGROUP CREATE s "\x00\xff" 0`, `XGROUP CREATE s " x " 0`, `XGROUP CREATECONSUMER s "" ""`, `XGROUP CREATECONSUMER s "" "\x00"`),
		"set id":               with(three, "XGROUP CREATE s g 0", "XGROUP SETID s g $", "XGROUP CREATE s h 0", "XGROUP SETID s h 1-2 ENTRIESREAD 2", "XGROUP CREATE s i 0", "XGROUP SETID s i + ENTRIESREAD 7", "XGROUP CREATE s j 1-1 ENTRIESREAD 1", "XGROUP SETID s j -"),
		"set id, refused":      with(three, "XGROUP SETID s g 0", "XGROUP SETID t g 0", "XGROUP CREATE s g 0", "XGROUP SETID s g x", "XGROUP SETID s g 0 ENTRIESREAD", "XGROUP SETID s g 0 MKSTREAM", "XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 2", "XGROUP SETID s g 0 ENTRIESREAD -5"),
		"destroy":              with(three, "XGROUP DESTROY s g", "XGROUP CREATE s g 0", claimed("c", "1-1"), "XGROUP DESTROY s g", "XGROUP DESTROY s g", "XGROUP DESTROY t g", "XGROUP CREATE s g 0"),
		"consumers":            with(three, "XGROUP CREATE s g 0", "XGROUP CREATECONSUMER s g c", "XGROUP CREATECONSUMER s g c", "XGROUP CREATECONSUMER s g b", "XGROUP CREATECONSUMER s h c", "XGROUP CREATECONSUMER t g c"),
		"delete consumers":     with(three, "XGROUP CREATE s g 0", "XGROUP CREATECONSUMER s g c", claimed("d", "1-1"), claimed("d", "1-2"), claimed("e", "1-3"), "XGROUP DELCONSUMER s g d", "XGROUP DELCONSUMER s g c", "XGROUP DELCONSUMER s g x", "XGROUP DELCONSUMER s h x", "XGROUP DELCONSUMER t g x"),
		"reads known":          with(three, "XGROUP CREATE s g 1-1 ENTRIESREAD 1", "XADD s 1-4 a b", "XDEL s 1-1", "XADD s 1-5 a b", "XDEL s 1-5"),
		"reads after a trim":   with(three, "XGROUP CREATE s g 1-1 ENTRIESREAD 1", "XGROUP CREATE s h 1-2", "XTRIM s MAXLEN 1", "XGROUP CREATE s i 0", "XTRIM s MAXLEN 0"),
		"groups of nothing":    {"XGROUP CREATE s g 0 MKSTREAM", "XADD s MAXLEN 0 1-1 a b", "XGROUP CREATE s h 1-1 ENTRIESREAD 1"},
		"whole words":          with(three, `XGROUP CREATE s g 0 "ENTRIESREAD\x00" 2`),
		"as read without acks": with(three, "XGROUP CREATE s g 0", "XGROUP CREATECONSUMER s g c", "XGROUP SETID s g 1-3 ENTRIESREAD 3"),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestXClaim(t *testing.T) {
	t.Parallel()
	base := with(entries(1, 4, "a b"), "XGROUP CREATE s g 0")
	many := with(entries(1, 250, "a b"), "XGROUP CREATE s g 0")
	for i := range 250 {
		many = append(many, claimed(fmt.Sprintf("c%d", i%3), fmt.Sprintf("1-%d", i+1), fmt.Sprintf("LASTID 1-%d", i+1)))
	}
	for name, commands := range map[string][]string{
		"as propagated":    with(base, claimed("c", "1-1", "LASTID 1-1"), claimed("c", "1-2", "LASTID 1-2"), "XGROUP SETID s g 1-2 ENTRIESREAD 2"),
		"many":             with(many, "XGROUP SETID s g 1-250 ENTRIESREAD 250", "XACK s g 1-1 1-7 1-249", "XDEL s 1-100 1-101", "XGROUP DELCONSUMER s g c1"),
		"another consumer": with(base, claimed("c", "1-1"), claimed("d", "1-1"), claimed("c", "1-2"), claimed("d", "1-2"), claimed("d", "1-2")),
		"not pending":      with(base, "XCLAIM s g c 0 1-1 TIME 1700000000000"),
		"not there":        with(base, claimed("c", "9-9"), claimed("c", "1-5", "LASTID 9-9")),
		"deleted":          with(base, claimed("c", "1-1"), claimed("c", "1-2"), "XDEL s 1-1", claimed("d", "1-1"), claimed("d", "1-1", "LASTID 1-2"), claimed("c", "1-1")),
		"trimmed":          with(base, claimed("c", "1-1"), claimed("c", "1-2"), "XTRIM s MAXLEN 1", claimed("c", "1-1"), claimed("c", "1-3")),
		"deleted, pending": with(base, claimed("c", "1-1"), claimed("c", "1-2"), "XDEL s 1-1 1-2 1-3 1-4"),
		"pending behind the last id": with(base, claimed("c", "1-1"), claimed("d", "1-4"), "XTRIM s MAXLEN 0", "XSETID s 0-0", "XADD s 1-2 a b", claimed("c", "1-2"),
			"XGROUP CREATE s h 0", "XGROUP CREATECONSUMER s h e", "XADD s 1-3 a b"),
		"no group":         with(base, "XCLAIM s h c 0 1-1 TIME 1", "XCLAIM t g c 0 1-1 TIME 1"),
		"counts":           with(base, "XCLAIM s g c 0 1-1 TIME 1 FORCE", "XCLAIM s g c 0 1-1 TIME 2", "XCLAIM s g c 0 1-1 TIME 3 JUSTID", "XCLAIM s g c 0 1-2 TIME 4 FORCE JUSTID", "XCLAIM s g c 0 1-3 TIME 4 FORCE RETRYCOUNT 0", "XCLAIM s g c 0 1-3 TIME 4 FORCE RETRYCOUNT 9223372036854775806", "XCLAIM s g c 0 1-3 TIME 5 RETRYCOUNT -1", "XCLAIM s g c 0 1-4 TIME 5 RETRYCOUNT -7 FORCE"),
		"several ids":      with(base, "XCLAIM s g c 0 1-1 1-2 9-9 1-4 1-1 TIME 7 FORCE JUSTID RETRYCOUNT 3", "XCLAIM s g d 0 1-2 1-3 1-4 TIME 8"),
		"last id":          with(base, claimed("c", "1-1", "LASTID 1-3"), claimed("c", "1-2", "LASTID 1-2"), "XCLAIM s g c 0 0-9 TIME 1 LASTID 2-2"),
		"without ids":      with(base, "XCLAIM s g c 0 FORCE TIME 1"),
		"options":          with(base, "XCLAIM s g c 0 1-1 FORCE FORCE JUSTID TIME 5 TIME 6 RETRYCOUNT 1 retrycount 2", "XCLAIM s g c 0 1-2 IDLE 5 TIME 6 FORCE"),
		"refused":          with(base, "XCLAIM s g c x 1-1 TIME 5", "XCLAIM s g c 0 1-1 TIME x", "XCLAIM s g c 0 1-1 TIME", "XCLAIM s g c 0 1-1 RETRYCOUNT x TIME 5", "XCLAIM s g c 0 1-1 LASTID x", "XCLAIM s g c 0 1-1 IDLE x", "XCLAIM s g c 0 1-1 x", "XCLAIM s g c 0 1-1 FORCE 1-2", "XCLAIM s g c 0 1-1 FORCE IDLE"),
		"before the epoch": with(base, "XCLAIM s g c -5 1-1 TIME 0 FORCE"),
		"odd names":        with(base, `XCLAIM s g "" 0 1-1 TIME 5 FORCE`, `XCLAIM s g "\x00" 0 1-2 TIME 5 FORCE`, `XCLAIM s g "\xff" 0 1-3 TIME 5 FORCE`),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}

func TestXAck(t *testing.T) {
	t.Parallel()
	base := with(entries(1, 4, "a b"), "XGROUP CREATE s g 0", claimed("c", "1-1"), claimed("c", "1-2"), claimed("d", "1-3"))
	for name, commands := range map[string][]string{
		"one":       with(base, "XACK s g 1-1"),
		"several":   with(base, "XACK s g 1-1 1-3 9-9 1-1", "XACK s g 1-2"),
		"not an id": with(base, "XACK s g 1-1 x", "XACK s g -", "XACK s g 1-*", "XACK s g 1"),
		"no group":  with(base, "XACK s h 1-1", "XACK t g 1-1", "XACK s h x"),
		"deleted":   with(base, "XDEL s 1-1 1-2 1-3 1-4", "XACK s g 1-1 1-3"),
		"again":     with(base, "XACK s g 1-1", claimed("d", "1-1"), "XACK s g 1-1"),
	} {
		t.Run(name, func(t *testing.T) { checkStream(t, commands...) })
	}
}
