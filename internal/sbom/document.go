package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// document is a CycloneDX bill of materials, as far as we fill it.
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"` // the program
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// describe makes the document of the program in a file. The version is the one that a release gives it; empty takes the linker's word.
func describe(file, version string) (document, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return document{}, fmt.Errorf("read build information: %w", err)
	}
	sum, err := sha256Of(file)
	if err != nil {
		return document{}, err
	}
	program := newComponent("application", info.Main.Path, cmp.Or(version, info.Main.Version))
	program.Hashes = []hash{{Algorithm: "SHA-256", Content: sum}}
	modules := []component{newComponent("library", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, module := range info.Deps {
		modules = append(modules, newComponent("library", linked(module).Path, linked(module).Version))
	}
	slices.SortFunc(modules, func(a, b component) int { return strings.Compare(a.PURL, b.PURL) })
	return document{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{Component: program}, Components: modules}, nil
}

// linked is the module that was taken, which a go.mod may have put in the place of the one that was asked for.
func linked(module *debug.Module) *debug.Module { return cmp.Or(module.Replace, module) }

// newComponent names a module as package URLs do (the type golang); of versions only + needs an escape.
func newComponent(kind, path, version string) component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: kind, Ref: purl, Name: path, Version: version, PURL: purl}
}

func sha256Of(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("open program: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
