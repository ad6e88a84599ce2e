// Package manpage makes man pages of a cobra command tree: one page for each command that a user can see, from the same words as its --help.
//
// It stands beside the flow: cmd/aofsidecar's hidden command `man` calls it, and a release packs what it wrote.
//
// Format: roff with the macros of man(7), as groff and mandoc read it. A page is NAME, SYNOPSIS, DESCRIPTION, OPTIONS, EXAMPLES and SEE
// ALSO, those that have content. Help texts are plain text, so everything in them that roff would take for an instruction is
// escaped: no word of a help text is lost or changed. (cobra's own generator takes them for Markdown, where <SECTION> is a tag and *** a rule.)
//
// Invariants: pages depend on the tree and on Version only, without a date or a name of the machine, so that two builds of one
// commit are equal. No page is written where one cannot be: Write ends at the first error.
package manpage
