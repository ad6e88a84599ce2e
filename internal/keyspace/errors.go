package keyspace

// UnknownCommandError says that a Space was asked to run a command that it does not run.
type UnknownCommandError struct{ Name string }

// Error names the command.
func (e *UnknownCommandError) Error() string { return "the keyspace cannot run " + e.Name }
