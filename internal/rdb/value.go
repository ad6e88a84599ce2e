package rdb

import "math"

// walk consumes what is left of the current item.
func (r *Reader) walk() error {
	s := &r.src
	left := r.rest
	r.rest = restNone
	switch left {
	case restNone:
	case restBytes:
		s.skip(r.restBytes)
	case restValue:
		r.walkValue(r.item.Type)
	case restString:
		s.skipString()
	case restModule:
		s.skipModule()
	case restSlots:
		s.skipSlots()
	}
	return s.err
}

// walkValue consumes a value (rdb.c:rdbLoadObject).
func (r *Reader) walkValue(t Type) {
	s := &r.src
	switch t {
	case TypeString:
		s.skipString()
	case TypeList, TypeSet:
		s.skipStrings(1)
	case TypeHash:
		s.skipStrings(2)
	case TypeZSet:
		s.skipTextScores()
	case TypeZSet2:
		s.skipScores()
	case TypeModule2:
		s.number()
		s.skipModule()
	case TypeHashZipmap:
		s.skipString()
	case TypeListZiplist, TypeZSetZiplist, TypeHashZiplist:
		s.skipBlob(ziplist)
	case TypeSetIntset:
		s.skipBlob(intset)
	case TypeListQuicklist:
		for n := s.count(); n > 0 && s.err == nil; n-- {
			s.skipBlob(ziplist)
		}
	case TypeListQuicklist2:
		s.skipQuicklist2()
	case TypeHashListpack, TypeZSetListpack, TypeSetListpack, TypeHashListpackExPre:
		s.skipBlob(listpack)
	case TypeHashListpackEx:
		s.skip(8)
		s.skipBlob(listpack)
	case TypeStreamListpacks, TypeStreamListpacks2, TypeStreamListpacks3:
		s.skipStream(t)
	case TypeHash2:
		if r.dialect == Valkey {
			s.skipExpiringHash()
			return
		}
		s.skipHashMetadata()
	case TypeHashMetadata:
		if s.uint64() > maxFieldExpire {
			s.corrupt("impossible field expiry")
		}
		s.skipHashMetadata()
	}
}

// maxFieldExpire bounds the expiry of hash fields, in milliseconds of Unix time (Redis ebuckets.h: 48 bits).
const maxFieldExpire = 1<<48 - 1

// skipStrings consumes a count and as many groups of strings.
func (s *source) skipStrings(each uint64) {
	for n := s.count() * each; n > 0 && s.err == nil; n-- {
		s.skipString()
	}
}

// skipTextScores consumes a sorted set whose scores are decimal text (rdb.c:rdbLoadDoubleValue).
func (s *source) skipTextScores() {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skipString()
		switch size := s.byte(); size {
		case 253:
			s.corrupt("score is not a number")
		case 254, 255: // the infinities
		default:
			s.skip(uint64(size))
		}
	}
}

// skipScores consumes a sorted set whose scores are doubles.
func (s *source) skipScores() {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skipString()
		if math.IsNaN(math.Float64frombits(s.uint64())) {
			s.corrupt("score is not a number")
		}
	}
}

// skipHashMetadata consumes a hash of Redis with an expiry in front of each field.
func (s *source) skipHashMetadata() {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.number()
		s.skipString()
		s.skipString()
	}
}

// skipExpiringHash consumes a hash of Valkey with an expiry behind each field.
func (s *source) skipExpiringHash() {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.skipString()
		s.skipString()
		s.skip(8)
	}
}

// The containers of a quicklist's nodes (quicklist.h).
const (
	quicklistPlain  = 1
	quicklistPacked = 2
)

func (s *source) skipQuicklist2() {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		switch s.number() {
		case quicklistPlain:
			s.skipString()
		case quicklistPacked:
			s.skipBlob(listpack)
		default:
			s.corrupt("unknown container in a quicklist")
		}
	}
}

// The parts of a module's value (rdb.h:RDB_MODULE_OPCODE_*).
const (
	moduleEOF    = 0
	moduleSint   = 1
	moduleUint   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// skipModule consumes the parts of a module's value or data (rdb.c:rdbLoadCheckModuleValue).
func (s *source) skipModule() {
	for s.err == nil {
		at := s.offset()
		switch part := s.number(); part {
		case moduleEOF:
			return
		case moduleSint, moduleUint:
			s.number()
		case moduleFloat:
			s.skip(4)
		case moduleDouble:
			s.skip(8)
		case moduleString:
			s.skipString()
		default:
			s.fail(&UnknownError{Offset: at, What: "module opcode", Code: part})
		}
	}
}

// skipSlots consumes the name of a slot import and its ranges of slots.
func (s *source) skipSlots() {
	s.skipString()
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.number()
		s.number()
	}
}
