package aof

const (
	// gatherBytes is how much tailWriter gathers for one write.
	gatherBytes = 256 << 10

	// straightBytes is from which size bytes are written from where they are: to copy them costs as much as a system call.
	straightBytes = 64 << 10
)

// tailWriter puts bytes at the end of an increment: all that come between begin and end, or nothing. It holds no more than gatherBytes.
type tailWriter struct {
	inc *increment
	at  int64  // where what is gathered goes
	buf []byte // gathered; reused
	err error  // the first failure: nothing is written after it
}

// begin starts at the end of inc.
func (w *tailWriter) begin(inc *increment) { w.inc, w.at, w.buf, w.err = inc, inc.size, w.buf[:0], nil }

// add takes p. It does not keep it.
func (w *tailWriter) add(p []byte) {
	if len(w.buf)+len(p) > gatherBytes || len(p) >= straightBytes {
		w.write(w.buf)
		w.buf = w.buf[:0]
	}
	if len(p) >= straightBytes {
		w.write(p)
		return
	}
	w.buf = append(w.buf, p...)
}

// end writes the rest. After an error what was written is cut again.
func (w *tailWriter) end() error {
	w.write(w.buf)
	if w.err == nil {
		w.inc.size = w.at
		return nil
	}
	if err := w.inc.f.Truncate(w.inc.size); err != nil {
		return &DiskError{Op: "truncate after a failed write", Path: w.inc.path, Err: err}
	}
	w.inc.cut = true
	return w.err
}

func (w *tailWriter) write(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	n, err := w.inc.f.WriteAt(p, w.at)
	w.at += int64(n)
	w.err = err
}
