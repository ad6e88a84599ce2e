package rdb

import "math"

// DecodeZSet calls add with each member of a sorted set, in any order. The member is valid during the call. t is TypeZSet, TypeZSet2,
// TypeZSetZiplist or TypeZSetListpack; the error is a *CorruptError, before which add may have been called. That a member comes twice is not
// noticed; a score is never NaN.
func DecodeZSet(f Format, t Type, raw []byte, add func(member []byte, score float64)) error {
	d := newDecoder(f, raw)
	switch t { //nolint:exhaustive // the others are wrong here
	case TypeZSet:
		d.scored(1, (*decoder).textScore, add)
	case TypeZSet2:
		d.scored(8, (*decoder).binaryScore, add)
	case TypeZSetZiplist, TypeZSetListpack:
		d.packed(t == TypeZSetZiplist, func(w *packed) {
			member, score := w.next(), w.next()
			if w.what != "" {
				return
			}
			if v := d.score(score); d.err == nil {
				add(member.text(&d.a), v)
			}
		})
	default:
		d.wrongType(t)
	}
	return d.end()
}

// scored decodes members with scores of at least size bytes behind them.
func (d *decoder) scored(size int, score func(*decoder) float64, add func(member []byte, score float64)) {
	for n := d.count(1 + size); n > 0; n-- {
		member := d.string(&d.a)
		v := score(d)
		if d.err != nil {
			return
		}
		add(member, v)
	}
}

func (d *decoder) binaryScore() float64 {
	v := math.Float64frombits(d.uint64())
	if math.IsNaN(v) {
		d.corrupt("score is no number")
	}
	return v
}

// textScore decodes a score as text (rdb.c:rdbLoadDoubleValue).
func (d *decoder) textScore() float64 {
	switch size := d.byte(); size {
	case 253:
		d.corrupt("score is no number")
		return 0
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		return d.scoreText(d.next(uint64(size)))
	}
}
