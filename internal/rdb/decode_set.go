package rdb

// DecodeSet calls add with each member of a set, in no particular order. The member is valid during the call. t is TypeSet,
// TypeSetIntset or TypeSetListpack; the error is a *CorruptError, before which add may have been called. That a member comes twice is not
// noticed.
func DecodeSet(f Format, t Type, raw []byte, add func(member []byte)) error {
	d := newDecoder(f, raw)
	switch t { //nolint:exhaustive // the others are wrong here
	case TypeSet:
		d.strings(add)
	case TypeSetIntset:
		d.intset(func(v int64) { add(ListpackEntry{Int: v}.text(&d.a)) })
	case TypeSetListpack:
		d.packed(false, func(w *packed) {
			if e := w.next(); w.what == "" {
				add(e.text(&d.a))
			}
		})
	default:
		d.wrongType(t)
	}
	return d.end()
}
