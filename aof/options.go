package aof

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// Policy is when stream bytes are synced, in redis.conf's words.
type Policy string

// The three policies of appendfsync.
const (
	FsyncAlways   Policy = "always"   // after every group of writes; groups form while the one before is synced
	FsyncEverySec Policy = "everysec" // once a second
	FsyncNo       Policy = "no"       // when an increment has its size or its age, and when it closes
)

// maxName bounds a name in bytes: a line of the manifest, in which each of them may take four, has 1024 (aof.c:MANIFEST_MAX_LINE).
const maxName = 128

// Options says where the log is and how it is kept. The zero value of a field means its default.
type Options struct {
	Dir      string // required; holds appendonlydir, retained and the lock
	DirName  string // appenddirname, default "appendonlydir"; a plain name
	FileName string // appendfilename, default "appendonly.aof"; a plain name

	Fsync      Policy // default everysec
	Timestamps bool   // aof-timestamp-enabled

	IncrementBytes int64         // an increment closes at this size, or up to a quarter more while it is synced; default 1 GiB
	IncrementAge   time.Duration // and at this age if anything was kept in it, default 1 h

	Rewrite RewriteOptions

	// Archive says that what leaves the manifest stays in retained/ until Shipped or BaseShipped lets it go, or MaxDisk does. Without it one chain before
	// the present is kept, until the next rewrite.
	Archive bool
	MaxDisk DiskLimit // with an archive only

	FS       fsx.FS           // default the operating system's
	Now      func() time.Time // default time.Now; it dates marks and increments, and says when an expected size is forgotten
	Observer Observer
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.DirName, "appendonlydir")
	setDefault(&o.FileName, "appendonly.aof")
	setDefault(&o.Fsync, FsyncEverySec)
	setDefault(&o.IncrementBytes, 1<<30)
	setDefault(&o.IncrementAge, time.Hour)
	setDefault(&o.Rewrite.Fallback, FallbackKeep)
	if o.FS == nil {
		o.FS = fsx.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no directory given"))
	}
	for _, name := range []string{o.DirName, o.FileName} {
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
			errs = append(errs, fmt.Errorf("%q is not a plain file name", name))
		}
		if len(name) > maxName {
			errs = append(errs, fmt.Errorf("%.20q... is longer than %d bytes", name, maxName))
		}
	}
	switch o.Fsync {
	case FsyncAlways, FsyncEverySec, FsyncNo:
	default:
		errs = append(errs, fmt.Errorf("appendfsync is %q: want always, everysec or no", o.Fsync))
	}
	errs = append(errs, o.Rewrite.check(), o.MaxDisk.check())
	if o.IncrementBytes < 0 || o.IncrementAge < 0 {
		errs = append(errs, errors.New("increment size and age must be positive"))
	}
	return o, errors.Join(errs...)
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
