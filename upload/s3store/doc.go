// Package s3store keeps objects in an S3 bucket, or in what speaks S3.
//
// # Place in the flow
//
// One of the two stores below package upload, and the only place that knows the AWS SDK. Waiting and trying again is upload.Retry's: the SDK's own
// retries are off, because their quota starves who retries for hours.
//
// # Requests
//
//	Put      PutObject up to a part's size; above it HeadObject (Absent only), CreateMultipartUpload, UploadPart..., CompleteMultipartUpload
//	Get      GetObject with a range; HeadObject for no bytes
//	List     ListObjectsV2, 1000 objects each
//	Delete   DeleteObject
//	Sweep    ListMultipartUploads, AbortMultipartUpload
//
// # Memory
//
// A Put keeps (Parallel+1) parts at most: 5 of 8 MiB as it comes. S3 knows 10,000 parts, so a body that says (Size) or hints (Hint) that it is
// larger than 78 GiB has larger parts, all of one size; one of unknown size doubles its part size every 2,000 parts, that is at 16 GiB, 47 GiB, and so on, which
// Cloudflare R2 refuses.
//
// # Integrity
//
// Each request with a body carries its SHA-256 in the signature, and a CRC32C that the store checks and keeps; the CRC32C of a multipart object is
// the whole object's. A Get of a whole object compares it. Stores that refuse such headers are served with AWS_REQUEST_CHECKSUM_CALCULATION=when_required (or
// request_checksum_calculation in the shared configuration): the SHA-256 remains. A range has no checksum of S3: who reads ranges compares what he knows himself.
//
// # Conditions
//
// If-None-Match: * and If-Match go with PutObject and CompleteMultipartUpload, and the store decides. 412 is ErrExists or ErrChanged; 409 ConditionalRequestConflict,
// which S3 answers to one of two at once, is Temporary: the next attempt is told which it is. 501 is ErrUnconditional; a store that ignores them is
// found out by upload.Conditional.
//
// # Credentials
//
// The SDK's default chain: environment, shared files, web identity (IRSA), container and instance roles, refreshed by themselves. No error has any of
// them in it. What the chain cannot provide, and what the store denies, is not Temporary.
//
// # Concurrency
//
// A Store is safe for concurrent use; each Put and Get is a goroutine or a few, joined when it returns.
package s3store
