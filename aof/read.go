package aof

import (
	"fmt"
	"io"
	"os"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// maxManifest bounds what is read of a manifest and of our own small files, in bytes.
const maxManifest = 16 << 20

// readFile reads a small file; more than limit bytes are an error.
func readFile(fs fsx.FS, path string, limit int64) (data []byte, err error) {
	f, err := fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: longer than %d bytes", path, limit)
	}
	return data, nil
}
