package rdb

// ValueInfo is what CheckValue learns of a value.
type ValueInfo struct {
	// Elements is how many elements, members, fields or entries it has; of a string how many bytes. A module's value has none.
	Elements int64
	// Expires is how many fields of a hash expire.
	Expires int64
	// Groups and Pending are how many consumer groups a stream has, and entries that are pending in them.
	Groups, Pending int64
}

// CheckValue verifies the inside of a value, raw being its body, by decoding it: more than Check, which only sees where it ends. f and t are
// what the file and its key say. The decoders say what it covers. Memory follows the value's size, compressed parts can take 264 times
// theirs. The error is a *CorruptError, or an *UnknownError for a type or part of a module's value that is not known.
func CheckValue(f Format, t Type, raw []byte) (ValueInfo, error) {
	var info ValueInfo
	if !t.knownIn(f.Dialect) {
		return info, &UnknownError{What: "type", Code: uint64(t)}
	}
	one := func([]byte) { info.Elements++ }
	var err error
	switch t.Kind() {
	case "string":
		d := newDecoder(f, raw)
		info.Elements = int64(len(d.string(&d.a)))
		err = d.end()
	case "list":
		err = DecodeList(f, t, raw, one)
	case "set":
		err = DecodeSet(f, t, raw, one)
	case "zset":
		err = DecodeZSet(f, t, raw, func([]byte, float64) { info.Elements++ })
	case "hash":
		err = DecodeHash(f, t, raw, func(_, _ []byte, expire int64) {
			info.Elements++
			if expire != NoExpire {
				info.Expires++
			}
		})
	case "stream":
		err = info.stream(f, t, raw)
	default:
		d := newDecoder(f, raw)
		d.module()
		err = d.end()
	}
	if err != nil {
		return ValueInfo{}, err
	}
	return info, nil
}

func (i *ValueInfo) stream(f Format, t Type, raw []byte) error {
	s, err := DecodeStream(f, t, raw)
	if err != nil {
		return err
	}
	i.Elements, i.Groups = int64(s.Length), int64(len(s.Groups))
	for _, g := range s.Groups {
		i.Pending += int64(len(g.Pending))
	}
	return nil
}

// module walks the parts of a module's value: source.skipModule for memory.
func (d *decoder) module() {
	d.number()
	for d.err == nil {
		at := d.pos
		switch part := d.number(); part {
		case moduleEOF:
			return
		case moduleSint, moduleUint:
			d.number()
		case moduleFloat:
			d.next(4)
		case moduleDouble:
			d.next(8)
		case moduleString:
			d.string(&d.a)
		default:
			d.fail(&UnknownError{Offset: int64(at), What: "module opcode", Code: part})
		}
	}
}
