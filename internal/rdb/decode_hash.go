package rdb

import "math"

// DecodeHash calls add with each field of a hash, in no particular order: its name, its value and when it expires, in milliseconds of Unix
// time, NoExpire for never. The slices are valid during the call. t is TypeHash, TypeHashZipmap, TypeHashZiplist, TypeHashListpack,
// TypeHash2 (which f.Dialect tells apart from TypeHashMetadataPreGA), TypeHashListpackExPre, TypeHashMetadata or TypeHashListpackEx; the
// error is a *CorruptError, before which add may have been called. That a field comes twice is not noticed.
func DecodeHash(f Format, t Type, raw []byte, add func(field, value []byte, expire int64)) error {
	d := newDecoder(f, raw)
	switch t { //nolint:exhaustive // the others are wrong here
	case TypeHash:
		for n := d.count(2); n > 0 && d.err == nil; n-- {
			d.field(NoExpire, add)
		}
	case TypeHashZipmap:
		d.zipmap(func(field, value []byte) { add(field, value, NoExpire) })
	case TypeHashZiplist, TypeHashListpack:
		d.packed(t == TypeHashZiplist, func(w *packed) {
			field, value := w.next(), w.next()
			if w.what == "" {
				add(field.text(&d.a), value.text(&d.b), NoExpire)
			}
		})
	case TypeHash2: // and TypeHashMetadataPreGA
		if f.Dialect == Valkey {
			d.expiringFields(add)
		} else {
			d.metadataFields(1, add)
		}
	case TypeHashMetadata:
		d.metadataFields(d.minExpire(), add)
	case TypeHashListpackEx:
		d.next(8) // the soonest expiry, which the fields say too
		d.expiringListpack(add)
	case TypeHashListpackExPre:
		d.expiringListpack(add)
	default:
		d.wrongType(t)
	}
	return d.end()
}

// field decodes a field and its value.
func (d *decoder) field(expire int64, add func(field, value []byte, expire int64)) {
	field := d.string(&d.a)
	value := d.string(&d.b)
	if d.err == nil {
		add(field, value, expire)
	}
}

// expiringFields decodes a hash of Valkey with an expiry behind each field.
func (d *decoder) expiringFields(add func(field, value []byte, expire int64)) {
	for n := d.count(2 + 8); n > 0; n-- {
		field := d.string(&d.a)
		value := d.string(&d.b)
		expire := int64(d.uint64())
		if d.err != nil {
			return
		}
		add(field, value, expire)
	}
}

// minExpire decodes what the expiries of a TypeHashMetadata count from.
func (d *decoder) minExpire() uint64 {
	v := d.uint64()
	if v > maxFieldExpire {
		d.corrupt("impossible field expiry")
	}
	return v
}

// metadataFields decodes a hash of Redis with an expiry in front of each field: 0 for none, else 1 is the time from.
func (d *decoder) metadataFields(from uint64, add func(field, value []byte, expire int64)) {
	for n := d.count(3); n > 0 && d.err == nil; n-- {
		expire := NoExpire
		if ttl := d.number(); ttl != 0 {
			if ttl > maxFieldExpire+1 || from+ttl-1 > maxFieldExpire {
				d.corrupt("impossible field expiry")
				return
			}
			expire = int64(from + ttl - 1)
		}
		d.field(expire, add)
	}
}

// expiringListpack decodes a listpack of fields, values and expiries of Redis, 0 for none.
func (d *decoder) expiringListpack(add func(field, value []byte, expire int64)) {
	d.packed(false, func(w *packed) {
		field, value := w.next(), w.next()
		expire, ok := w.next().integer()
		switch {
		case w.what != "":
		case !ok || expire < 0 || expire > math.MaxInt64-1:
			w.what = "impossible field expiry"
		case expire == 0:
			add(field.text(&d.a), value.text(&d.b), NoExpire)
		default:
			add(field.text(&d.a), value.text(&d.b), expire)
		}
	})
}
