package main

import (
	"errors"

	"github.com/aofsidecar/aofsidecar/upload"
)

// judgeArchive finds the verdict on an error that is about an archive, or what is restored from it; ok is false for others.
func judgeArchive(err error) (v verdict, ok bool) {
	switch {
	case errors.Is(err, upload.ErrUnconditional):
		return verdict{code: exitUsage, hint: "set archive.lease.enabled: false if nothing else ships there, or use a store with conditional writes"}, true
	case errors.Is(err, upload.ErrNoBackup):
		return verdict{code: exitNothing, hint: "aofsidecar list, to see what there is"}, true
	case errors.Is(err, upload.ErrInterrupted):
		return verdict{code: exitFull, hint: "rename what was there before, or restore once more with --force, which leaves it where it is"}, true
	case errors.Is(err, upload.ErrTargetNotEmpty):
		return verdict{code: exitFull, hint: "an empty directory, --force to replace what is there, or --if-target-empty to leave it"}, true
	case errors.Is(err, upload.ErrHeld):
		return verdict{code: exitHeld, hint: "stop the sidecar that uses that directory, or restore into another one"}, true
	}
	if _, ok := errors.AsType[*ArchiveBrokenError](err); ok {
		return verdict{code: exitCorrupt, quiet: true}, true
	}
	if _, ok := errors.AsType[*InconclusiveError](err); ok {
		return verdict{code: exitFailed, quiet: true}, true
	}
	if _, ok := errors.AsType[*NoArchiveError](err); ok {
		return verdict{code: exitNothing, hint: "aofsidecar config --origin, to see where archive.url comes from"}, true
	}
	if _, ok := errors.AsType[*upload.WindowError](err); ok {
		return verdict{code: exitWindow, hint: "aofsidecar list, to see what can be restored"}, true
	}
	if guard, ok := errors.AsType[*upload.GuardError](err); ok {
		return verdict{code: exitWindow, hint: "--timeline " + guard.Before + ", or --timeline " + guard.Timeline + "; aofsidecar unpin --archive " + guard.Before + " settles it"}, true
	}
	if hole, ok := errors.AsType[*upload.HoleError](err); ok {
		return verdict{code: exitCorrupt, hint: "--timestamp " + hole.Window.End.Format("2006-01-02T15:04:05Z07:00") + ", the last moment before the hole"}, true
	}
	if doubt, ok := errors.AsType[*upload.DoubtError](err); ok {
		return verdict{code: exitCorrupt, hint: "--timeline " + doubt.Timeline + " to take them all the same; aofsidecar list, to see what else there is"}, true
	}
	if _, ok := errors.AsType[*upload.DamagedError](err); ok {
		return verdict{code: exitCorrupt, hint: "aofsidecar verify --archive --deep, to find all that is damaged; an earlier --timestamp may not need it"}, true
	}
	if _, ok := errors.AsType[*upload.EngineError](err); ok {
		return verdict{code: exitEngine, hint: "a server of the upstream's kind and version, or --format aof"}, true
	}
	if _, ok := errors.AsType[*upload.IdentityError](err); ok {
		return verdict{code: exitFailed, hint: "set archive.encryption.identity-file to a file with the secret key of one of the recipients"}, true
	}
	if _, ok := errors.AsType[*upload.SpaceError](err); ok {
		return verdict{code: exitFailed, hint: "a target with more space"}, true
	}
	if failure, ok := errors.AsType[*upload.StoreError](err); ok && rightOf(failure) != "" {
		return verdict{code: exitFailed, hint: "allow " + rightOf(failure) + " on the archive to these credentials (docs/s3.md, Permissions)"}, true
	}
	return verdict{}, false
}

// rightOf is the right, in IAM's words, that an operation was refused for the lack of; empty for other failures.
func rightOf(failure *upload.StoreError) string {
	if failure.Code != "AccessDenied" {
		return ""
	}
	return map[string]string{
		"get": "s3:GetObject", "put": "s3:PutObject", "list": "s3:ListBucket", "delete": "s3:DeleteObject", "sweep": "s3:ListBucketMultipartUploads",
	}[failure.Op]
}
