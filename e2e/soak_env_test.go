package e2e_test

// environmentFaults are of what surrounds the processes.
func environmentFaults() []fault { return nil }
