// Command sbom says what is in a Go program: the modules that were linked into it, and the Go that built it, as a CycloneDX 1.6 document.
//
// A release runs it on each program (.goreleaser.yaml). It reads what the linker left in the file (debug/buildinfo) and nothing
// else, no network and no source, so that the document speaks of the program and not of what somebody believes was built. The same
// program gives the same document: there is no time and no serial number in it.
//
// Exit code: 0 written, 1 the file is no Go program or cannot be read, 2 wrong usage.
package main
