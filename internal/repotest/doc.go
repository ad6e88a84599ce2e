// Package repotest holds the rules of this repository as tests: which package may import which, one
// package comment each, no replaced dependency. Tests elsewhere read the pages of the repository through it.
//
// The directions of import are those of docs/ARCHITECTURE.md: data flows replica -> aof -> upload, no
// stage knows another, codecs and values know nothing of ours. The linter (depguard in .golangci.yml)
// says the same of libraries; this package says it of our own packages, where a list of what is allowed is
// shorter and stricter than a list of what is not.
package repotest
