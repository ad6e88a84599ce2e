package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverySettingIsRead holds that no key is accepted and ignored: some file other than those that load,
// check and print the configuration mentions its field.
func TestEverySettingIsRead(t *testing.T) {
	mentioned := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		switch name {
		case "config.go", "validate.go", "validate_archive.go", "load.go", "settings.go", "cmd_config.go":
			continue
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				mentioned[selector.Sel.Name] = true
			}
			return true
		})
	}
	for _, s := range settings() {
		field := reflect.TypeFor[Config]().FieldByIndex(s.index)
		require.True(t, mentioned[field.Name], "%s: nothing reads %s", s.key, field.Name)
	}
}
