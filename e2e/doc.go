// Package e2e holds the tests of the whole: the real binary between real servers, killed, cut off, filled up and pointed
// elsewhere, and after all of that a stock server booted from its directory that must have what the upstream has. It has
// no code of its own.
//
// # What is real
//
// TestMain builds the binary once, as it is delivered or, with AOFSIDECAR_E2E_RACE=1, with the race detector. The servers are the
// five of package testenv, and every test that can runs on each of them. The only thing between sidecar and server is a proxy
// that breaks connections after an exact number of bytes. Nothing is faked.
//
// # Equal
//
// Every test ends with the same question (requireMirrored): the upstream's writes are stopped, the sidecar has to have all of
// its stream, the directory is copied while the sidecar lives, and a stock server of the same version, booted from the
// copy, must equal the upstream by testenv's oracle: digests, expiry, streams, functions. Most also ask
// (requireCleanEnd): SIGTERM, exit code 0, check-aof and `aofsidecar verify` find nothing wrong.
//
// # Worlds
//
// TestScenarios and TestSoak put all of it together: upstream, sidecar and archive in worlds that a seed draws (soak_world_test.go), and faults of every part, one after another or two at once
// (soak_fault_test.go says how to add one). The first deals each fault out in CI, the second draws until its time is over; see docs/CORRECTNESS.md.
//
// # Pages
//
// docs/getting-started.md is a test, too (TestGettingStarted): its blocks run in one shell, and what they print is compared with what the page says.
//
// # Luck
//
// What is drawn is drawn from a seed, which a failed test prints and AOFSIDECAR_E2E_SEED sets. A seed makes the commands and the faults
// the same, not the scheduling.
//
// # Time
//
// No test sleeps: it waits for conditions, which have deadlines only so that a hanging test fails. Most wait more than they
// compute, so that more of them run at a time than there are processors. AOFSIDECAR_E2E_FULL=1 measures and waits for as long as the
// claims are about (60 idle seconds, the minute before a snapshot is asked for again) instead of a part of it, and boots every server from
// everything that crashes leave.
package e2e
