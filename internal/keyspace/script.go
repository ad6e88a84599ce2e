package keyspace

// scriptCommands are the calls of scripts and functions that may write. Since 7.0 a stream has their effects and never themselves. Where one
// is in a log nevertheless (by DEBUG REPLICATE, or from a client that wrote the log), a server runs it, and it may do anything to the keys that it
// names; that it names all of them is a rule that servers do not enforce outside of clusters.
func scriptCommands() []command {
	return []command{
		{name: "EVAL", arity: -3, plan: planScript},
		{name: "EVALSHA", arity: -3, plan: planScript},
		{name: "FCALL", arity: -3, plan: planScript},
	}
}

// planScript adds the keys that the call names. Without any it is Unknown: nobody can tell what the script would have written.
func planScript(args [][]byte, p *Plan) {
	n, ok := parseInt(args[2])
	switch {
	case !ok || n < 0 || n > int64(len(args)-3):
		p.Effect = Nothing
	case n == 0:
		p.Effect = Unknown
	default:
		for _, key := range args[3 : 3+n] {
			p.add(key, Writes)
		}
	}
}
