package keyspace

// isWord reports whether arg is an option's word, given in upper case, as servers compare them: in any case, and up to a zero byte, since
// they take arguments for C strings.
func isWord(arg []byte, word string) bool {
	if len(arg) < len(word) || (len(arg) > len(word) && arg[len(word)] != 0) {
		return false
	}
	for i := range len(word) {
		c := arg[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
