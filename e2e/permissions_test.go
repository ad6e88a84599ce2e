package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// oneOrMore is a word or a list of words, as policies have it.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		*o = make([]string, 1)
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// policy is one of IAM's, as far as docs/s3.md has it.
type policy struct {
	Version    string
	Statements []statement `json:"Statement"`
}

type statement struct {
	Effect    string
	Action    oneOrMore
	Resource  string
	Condition map[string]map[string]oneOrMore
}

// like reports whether a text is what a pattern of IAM's stands for.
func like(pattern, text string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
}

// actions says which right S3 asks for, by its word for the request ("Service Authorization Reference", Amazon S3).
var actions = map[string]string{
	"GetObject": "s3:GetObject", "HeadObject": "s3:GetObject", "PutObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject", "AbortMultipartUpload": "s3:AbortMultipartUpload", "DeleteObject": "s3:DeleteObject",
	"ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}

// allows reports whether a statement allows an action as a request has it.
func (s statement) allows(action string, r *http.Request) bool {
	if s.Effect != "Allow" || !slices.Contains(s.Action, action) || !like(s.Resource, "arn:aws:s3:::"+strings.Trim(r.URL.Path, "/")) {
		return false
	}
	for test, keys := range s.Condition {
		for key, patterns := range keys {
			prefix := r.URL.Query().Get("prefix")
			if test != "StringLike" || key != "s3:prefix" || !slices.ContainsFunc(patterns, func(p string) bool { return like(p, prefix) }) {
				return false
			}
		}
	}
	return true
}

// guard is a store's: it knows the policy, and who was refused.
type guard struct {
	mu     sync.Mutex
	policy policy
	used   map[string]bool // the actions that were allowed
	denied []string
}

// refuses judges a request.
func (g *guard) refuses(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	action := actions[s3gateway.Operation(r)]
	if slices.ContainsFunc(g.policy.Statements, func(s statement) bool { return s.allows(action, r) }) {
		g.used[action] = true
		return false
	}
	g.denied = append(g.denied, action+" "+r.Method+" "+r.URL.String())
	return true
}

// enforce makes the policy this one, and forgets what was before.
func (g *guard) enforce(p policy) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.policy, g.used, g.denied = p, map[string]bool{}, nil
}

// seen returns what was used and what was denied.
func (g *guard) seen() (used, denied []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.used)), slices.Clone(g.denied)
}

// documented returns the policy of docs/s3.md, and the rights that its table has for who is in the first column.
func documented(t *testing.T) (policy, map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "s3.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindSubmatch(text)
	require.NotNil(t, block)
	var p policy
	require.NoError(t, json.Unmarshal(block[1], &p))
	require.Equal(t, "2012-10-17", p.Version)
	require.NotEmpty(t, p.Statements)
	rights := map[string][]string{}
	right := regexp.MustCompile("`(s3:[A-Za-z]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| ([^|]*)\\| (`s3:[^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		for _, match := range right.FindAllStringSubmatch(row[2], -1) {
			rights[strings.TrimSpace(row[1])] = append(rights[strings.TrimSpace(row[1])], match[1])
		}
	}
	return p, rights
}

// granting is a policy with these rights, with the resources and conditions that the one of the docs has.
func granting(whole policy, rights []string) policy {
	p := policy{Version: whole.Version}
	for _, right := range rights {
		s := statement{Effect: "Allow", Action: oneOrMore{right}, Resource: "arn:aws:s3:::backups/prod/*"}
		for _, known := range whole.Statements {
			if slices.Contains(known.Action, right) {
				s.Resource, s.Condition = known.Resource, known.Condition
			}
		}
		p.Statements = append(p.Statements, s)
	}
	return p
}

// The permissions that docs/s3.md has are enough for what it says, and none of them is too much: each request is judged by them as S3 would.
func TestPermissionsOfTheDocs(t *testing.T) {
	whole, rights := documented(t)
	a := newArchive(t, true)
	g := &guard{}
	g.enforce(whole)
	refusal := s3gateway.Fault{Kind: s3gateway.Answer, Status: http.StatusForbidden, Code: "AccessDenied", Match: g.refuses}
	// One part is refused for good, so that its upload has to be given up.
	broken := s3gateway.Fault{Kind: s3gateway.Answer, Status: http.StatusBadRequest, Code: "InvalidPart", Match: s3gateway.On("UploadPart"), Times: 1}
	a.proxy.Plan(refusal, broken)

	family := testenv.Pick(t, "redis-8.0")
	upstream := testenv.StartServer(t, family)
	large := make([]byte, 1<<20)
	_, _ = rand.Read(large)
	for i := range 20 {
		key, value := valuable(i)
		require.NoError(t, upstream.Client().Set(t.Context(), key, value+string(large[i:]), 0).Err())
	}
	m := a.newMirror(t, upstream.Addr())
	m.start(t)
	m.awaitStreaming(t)
	require.NoError(t, upstream.Client().Set(t.Context(), "counter", "1", 0).Err())
	timeline := m.awaitShipped(t, upstream).Archive.Timeline
	testenv.Eventually(t, "an upload that was given up, and one that was not", func(context.Context) (map[string]int, bool) {
		counts := a.proxy.Counts()
		return counts, counts["AbortMultipartUpload"] > 0 && counts["CompleteMultipartUpload"] > 0
	})
	requireCleanEnd(t, family, m)
	a.ok(t, "doctor", "--set", "upstream.addr="+upstream.Addr(), "--set", "aof.dir="+m.Dir()) // looks for uploads that never ended, as retention does after an hour
	used, denied := g.seen()
	var all []string
	for _, s := range whole.Statements {
		all = append(all, s.Action...)
	}
	require.ElementsMatch(t, all, used, "what is used of the policy; denied: %q", denied)
	for _, request := range denied { // a probe, or retention, that takes no for an answer
		require.True(t, strings.HasPrefix(request, "s3:DeleteObject "), request)
	}
	for _, right := range rights["the sidecar"] {
		require.Contains(t, all, right)
	}

	target := filepath.Join(t.TempDir(), "target")
	at := "--archive=" + a.url
	for who, commands := range map[string][][]string{
		"`restore`, `list`, `verify`, `inspect`": {
			{"list", at}, {"verify", at, "--deep"}, {"inspect", at}, {"restore", at, "--output", target},
		},
		"`pin`":                                {{"pin", timeline, at}},
		"`prune --confirm`, `unpin --archive`": {{"unpin", timeline, at}, {"prune", "--confirm", at}},
	} {
		require.NotEmpty(t, rights[who], who)
		g.enforce(granting(whole, rights[who]))
		a.proxy.Plan(refusal)
		for _, args := range commands {
			a.ok(t, args...)
		}
		used, denied := g.seen()
		require.Empty(t, denied, who)
		require.ElementsMatch(t, rights[who], used, who)
	}

	// With less, the words say which right it is.
	for _, right := range []string{"s3:GetObject", "s3:ListBucket"} {
		g.enforce(granting(whole, slices.DeleteFunc(slices.Clone(rights["`restore`, `list`, `verify`, `inspect`"]), func(r string) bool { return r == right })))
		got := a.command(t, "restore", at, "--output", filepath.Join(t.TempDir(), "target"))
		require.NotZero(t, got.code)
		require.Contains(t, got.stderr, right)
	}
}
