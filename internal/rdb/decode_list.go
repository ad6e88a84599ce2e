package rdb

// DecodeList calls add with each element of a list, head first. The element is valid during the call. t is TypeList, TypeListZiplist,
// TypeListQuicklist or TypeListQuicklist2; the error is a *CorruptError, before which add may have been called.
func DecodeList(f Format, t Type, raw []byte, add func(elem []byte)) error {
	d := newDecoder(f, raw)
	element := func(w *packed) {
		if e := w.next(); w.what == "" {
			add(e.text(&d.a))
		}
	}
	switch t { //nolint:exhaustive // the others are wrong here
	case TypeList:
		d.strings(add)
	case TypeListZiplist:
		d.packed(true, element)
	case TypeListQuicklist:
		for n := d.count(1); n > 0 && d.err == nil; n-- {
			d.packed(true, element)
		}
	case TypeListQuicklist2:
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			d.node(add, element)
		}
	default:
		d.wrongType(t)
	}
	return d.end()
}

// node decodes a node of a quicklist.
func (d *decoder) node(add func(elem []byte), element func(w *packed)) {
	switch d.number() {
	case quicklistPlain:
		if p := d.string(&d.blob); d.err == nil {
			add(p)
		}
	case quicklistPacked:
		d.packed(false, element)
	default:
		d.corrupt("unknown container in a quicklist")
	}
}

// strings decodes a count and as many strings.
func (d *decoder) strings(add func(s []byte)) {
	for n := d.count(1); n > 0; n-- {
		p := d.string(&d.a)
		if d.err != nil {
			return
		}
		add(p)
	}
}
