package e2e_test

func storeFaults() []fault    { return nil }
func upstreamFaults() []fault { return nil }
func pairFaults() []fault     { return nil }
