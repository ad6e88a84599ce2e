package keyspace

import "strings"

// dictionary finds commands by a word of their name in any case, as a hash table with linear probing: a look-up for each command that is read is
// too much for a map, which wants the name in upper case first.
type dictionary struct {
	slots []*word // a power of two, at most half of them in use
	used  int
}

// word is one of them, in upper case.
type word struct {
	text    string
	command *command   // the one of that name; nil: it is a container only
	below   dictionary // of a container: its subcommands
}

// command adds a command.
func (d *dictionary) command(c *command) {
	name, sub, isSub := strings.Cut(c.name, " ")
	w := d.add(name)
	if isSub {
		w = w.below.add(sub)
	}
	w.command = c
}

// add returns the word that text, in upper case, is.
func (d *dictionary) add(text string) *word {
	if 2*(d.used+1) > len(d.slots) {
		old := d.slots
		d.slots = make([]*word, max(8, 2*len(old)))
		for _, w := range old {
			if w != nil {
				d.slots[d.place([]byte(w.text))] = w
			}
		}
	}
	at := d.place([]byte(text))
	if d.slots[at] == nil {
		d.slots[at] = &word{text: text}
		d.used++
	}
	return d.slots[at]
}

// find returns the word that text is in any case, or nil.
func (d *dictionary) find(text []byte) *word { return d.slots[d.place(text)] }

// place returns the slot in which text is, or belongs.
func (d *dictionary) place(text []byte) int {
	hash := uint32(0)
	for _, c := range text[:min(len(text), hashedBytes)] {
		hash = hash*hashFactor + uint32(c&^0x20) // letters in upper case, others anyhow
	}
	mask := len(d.slots) - 1
	at := int(hash*hashFactor>>16) & mask
	for d.slots[at] != nil && !isName(text, d.slots[at].text) {
		at = (at + 1) & mask
	}
	return at
}

const (
	// hashedBytes is how much of a name the hash is of: it may be an argument of any length.
	hashedBytes = 24
	// hashFactor is a prime.
	hashFactor = 16777619
)

// isName reports whether arg is the name, which is in upper case, in any case.
func isName(arg []byte, name string) bool { return len(arg) == len(name) && isWord(arg, name) }
