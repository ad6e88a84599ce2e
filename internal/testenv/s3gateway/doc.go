// Package s3gateway runs a real S3 server for tests, and a proxy before it that breaks requests as planned.
//
// # The server
//
// It is versitygw on a temporary directory: real signatures, conditional writes, checksums, multipart uploads. It changes the working directory of its
// process, allows one of itself in it, and takes its memory, so it runs in a child: the test binary starts itself again, and [Served] in its
// TestMain makes the child the server. Child and parent end together, because the child reads a pipe that the parent holds.
//
// # The proxy
//
// [Proxy] sits between a client and the server and knows requests, where package testenv's Proxy knows bytes: it refuses the third PUT of a key, cuts an answer in its body, or
// loses the answer of a request that was carried out.
package s3gateway
