package manpage

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// section is the manual's section of user commands.
const section = "1"

// Name returns the name of the command's page: its path with hyphens, as git's pages are called.
func Name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// Commands returns cmd and all commands below it that help shows, parents first. Cobra's own help command has no page.
func Commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			all = append(all, Commands(child)...)
		}
	}
	return all
}

// Page returns the page of one command. The version stands in its foot.
func Page(cmd *cobra.Command, version string) string {
	cmd.InitDefaultHelpFlag()
	var p page
	name := Name(cmd)
	p.request(".TH", strings.ToUpper(name), section, "", strings.TrimSpace(cmd.Root().Name()+" "+version), "User Commands")
	p.request(".SH", "NAME")
	p.line(name + " - " + lowerFirst(cmd.Short))
	p.request(".SH", "SYNOPSIS")
	p.bold(cmd.UseLine())
	p.request(".SH", "DESCRIPTION")
	p.text(cmp.Or(cmd.Long, cmd.Short))
	p.options("OPTIONS", cmd.NonInheritedFlags())
	p.options("GLOBAL OPTIONS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.request(".SH", "EXAMPLES")
		p.verbatim(strings.Split(cmd.Example, "\n"))
	}
	p.seeAlso(cmd)
	return p.String()
}

type page struct{ strings.Builder }

// request writes a macro and its arguments, each quoted.
func (p *page) request(macro string, args ...string) {
	p.WriteString(macro)
	for _, arg := range args {
		p.WriteString(` "` + strings.ReplaceAll(escape(arg), `"`, `\(dq`) + `"`)
	}
	p.WriteByte('\n')
}

// line writes a line of text.
func (p *page) line(text string) {
	text = escape(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text // else roff takes the line for an instruction
	}
	p.WriteString(text + "\n")
}

func (p *page) bold(text string) { p.WriteString(`\fB` + escape(text) + `\fR` + "\n") }

// text writes paragraphs. One that has an indented line is an example, or a table, and keeps its lines.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(paragraph, "\n")
		if strings.HasPrefix(lines[0], " ") {
			p.verbatim(lines)
			continue
		}
		if i > 0 {
			p.request(".PP")
		}
		for _, line := range lines {
			p.line(strings.TrimSpace(line))
		}
	}
}

// verbatim keeps lines as they are, without the indentation that they all have.
func (p *page) verbatim(lines []string) {
	p.WriteString(".PP\n.RS 4\n.nf\n")
	for _, line := range lines {
		p.line(strings.TrimPrefix(line, "  "))
	}
	p.WriteString(".fi\n.RE\n")
}

// options lists flags as --help does.
func (p *page) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.request(".SH", title)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		head := `\fB` + escape("--"+flag.Name) + `\fR`
		if flag.Shorthand != "" {
			head = `\fB` + escape("-"+flag.Shorthand) + `\fR, ` + head
		}
		if value != "" {
			head += ` \fI` + escape(value) + `\fR`
		}
		p.WriteString(".TP\n" + head + "\n")
		if shown := defaultOf(flag); shown != "" {
			usage += fmt.Sprintf(" (default %s)", shown)
		}
		p.line(usage)
	})
}

// defaultOf returns a default that is worth a word: none that says no, nothing, or empty.
func defaultOf(flag *pflag.Flag) string {
	switch flag.DefValue {
	case "", "false", "0", "0s", "[]":
		return ""
	}
	return flag.DefValue
}

func (p *page) seeAlso(cmd *cobra.Command) {
	var others []string
	if cmd.HasParent() {
		others = append(others, Name(cmd.Parent()))
	}
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" {
			others = append(others, Name(child))
		}
	}
	if len(others) == 0 {
		return
	}
	p.request(".SH", "SEE ALSO")
	for i, name := range others {
		end := ","
		if i == len(others)-1 {
			end = ""
		}
		p.WriteString(`\fB` + escape(name) + `\fR(` + section + ")" + end + "\n")
	}
}

// escape writes text such that roff prints it as it is. A plain hyphen would come out as one that a shell does not know.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

func lowerFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}
