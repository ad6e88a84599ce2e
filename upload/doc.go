// Package upload ships the log to an archive, and brings it back from there.
//
// # Place in the flow
//
// Third of the three stages. The [Uploader] reads what a [Source] has made durable and stores it in a [Store]; restore, list and verify read the
// store alone.
package upload
