package manpage_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/manpage"
)

func tree() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do things", Run: func(*cobra.Command, []string) {}}
	root.PersistentFlags().String("config", "", "configuration `file`")
	child := &cobra.Command{
		Use: "copy [DIR]", Short: "Copy a thing", Run: func(*cobra.Command, []string) {},
		Long:    "Copy DIR, with a \\ and <TAGS>.\n.hidden files, too: it's *** all\n\n  tool copy --json\n    deep\n\nThe end.",
		Example: "  tool copy --depth 3 'a b'\n  tool copy",
	}
	child.Flags().Int("depth", 2, "levels `N`")
	child.Flags().BoolP("json", "j", false, "print JSON")
	child.Flags().String("secret", "", "not shown")
	_ = child.Flags().MarkHidden("secret")
	hidden := &cobra.Command{Use: "inner", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(child, hidden)
	return root
}

func TestPage(t *testing.T) {
	root := tree()
	require.Equal(t, `.TH "TOOL\-COPY" "1" "" "tool v1" "User Commands"
.SH "NAME"
tool\-copy \- copy a thing
.SH "SYNOPSIS"
\fBtool copy [DIR] [flags]\fR
.SH "DESCRIPTION"
Copy DIR, with a \e and <TAGS>.
\&.hidden files, too: it\(aqs *** all
.PP
.RS 4
.nf
tool copy \-\-json
  deep
.fi
.RE
.PP
The end.
.SH "OPTIONS"
.TP
\fB\-\-depth\fR \fIN\fR
levels N (default 2)
.TP
\fB\-h\fR, \fB\-\-help\fR
help for copy
.TP
\fB\-j\fR, \fB\-\-json\fR
print JSON
.SH "GLOBAL OPTIONS"
.TP
\fB\-\-config\fR \fIfile\fR
configuration file
.SH "EXAMPLES"
.PP
.RS 4
.nf
tool copy \-\-depth 3 \(aqa b\(aq
tool copy
.fi
.RE
.SH "SEE ALSO"
\fBtool\fR(1)
`, manpage.Page(manpage.Commands(root)[1], "v1"))
}

func TestWriteMakesAPageForEachCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "man1")
	require.NoError(t, manpage.Write(dir, tree(), "v1"))
	require.NoError(t, manpage.Write(dir, tree(), "v2"), "pages of an earlier run are replaced")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	require.Equal(t, []string{"tool-copy.1", "tool.1"}, names)
	text, err := os.ReadFile(filepath.Join(dir, "tool.1"))
	require.NoError(t, err)
	require.Contains(t, string(text), "tool v2")
	require.Contains(t, string(text), "\\fBtool\\-copy\\fR(1)\n")
}

func TestWriteSaysWhatItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, manpage.Write(file, tree(), ""), "make folder")
}
