package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// fieldOption is an option of HSETEX or HGETEX.
type fieldOption uint16

const (
	fieldNX fieldOption = 1 << iota // if the key does not exist
	fieldXX
	fieldFNX // if none of the fields exists
	fieldFXX
	fieldEX
	fieldPX
	fieldEXAT
	fieldPXAT
	fieldKeepTTL
	fieldPersist

	relativeTimes = fieldEX | fieldPX
	absoluteTimes = fieldEXAT | fieldPXAT
	// Only one of a group may be there.
	keyConditions   = fieldNX | fieldXX
	fieldConditions = fieldFNX | fieldFXX
	expiries        = relativeTimes | absoluteTimes | fieldKeepTTL | fieldPersist
)

// fieldOptionOf returns the option that arg is, 0 if it is none, and the group that it is of.
func fieldOptionOf(arg []byte) (option, group fieldOption) {
	switch {
	case isWord(arg, "NX"):
		return fieldNX, keyConditions
	case isWord(arg, "XX"):
		return fieldXX, keyConditions
	case isWord(arg, "FNX"):
		return fieldFNX, fieldConditions
	case isWord(arg, "FXX"):
		return fieldFXX, fieldConditions
	case isWord(arg, "EX"):
		return fieldEX, expiries
	case isWord(arg, "PX"):
		return fieldPX, expiries
	case isWord(arg, "EXAT"):
		return fieldEXAT, expiries
	case isWord(arg, "PXAT"):
		return fieldPXAT, expiries
	case isWord(arg, "KEEPTTL"):
		return fieldKeepTTL, expiries
	case isWord(arg, "PERSIST"):
		return fieldPersist, expiries
	default:
		return 0, 0
	}
}

// fieldOptions are the arguments of HSETEX or HGETEX.
type fieldOptions struct {
	has    fieldOption
	expire int64 // of EXAT and PXAT in Unix milliseconds, else rdb.NoExpire
	fields [][]byte
}

// parseFieldOptions parses the arguments behind the key: options of those that takes names, and a list of fields with as many arguments each.
// Valkey lets an option come twice (t_string.c:parseExtendedCommandArgumentsOrReply).
func (c *call) parseFieldOptions(takes fieldOption, each int) (o fieldOptions, ok bool) {
	o.expire = rdb.NoExpire
	args := c.args[2:]
	for len(args) > 0 && !isWord(args[0], "FIELDS") {
		option, group := fieldOptionOf(args[0])
		others := o.has & group
		if c.space.opt.Format.Dialect == rdb.Valkey {
			others &^= option
		}
		if option&takes == 0 || others != 0 {
			return o, false
		}
		o.has |= option
		args = args[1:]
		if option&(relativeTimes|absoluteTimes) == 0 {
			continue
		}
		unit := int64(1)
		if option&(fieldEX|fieldEXAT) != 0 {
			unit = 1000
		}
		if len(args) == 0 {
			return o, false
		}
		if o.expire, ok = c.fieldTime(args[0], unit); !ok {
			return o, false
		}
		args = args[1:]
	}
	o.fields, ok = fieldList(args, each)
	return o, ok
}

// planHSetEx is the plan of HSETEX: with a time from now it is carried.
func planHSetEx(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	for _, arg := range args[2:] {
		if isWord(arg, "FIELDS") {
			return
		}
		if option, _ := fieldOptionOf(arg); option&relativeTimes != 0 {
			p.Effect = Carry
		}
	}
}

// planHGetEx is the plan of HGETEX, which without options is a read.
func planHGetEx(args [][]byte, p *Plan) {
	if isWord(args[2], "FIELDS") {
		p.Effect = Nothing
		return
	}
	planHSetEx(args, p)
}

// runHSetEx is t_hash.c:hsetexCommand. Without an option for it, it takes the expiry from the fields that it sets.
func runHSetEx(c *call) error {
	takes := fieldConditions | expiries&^fieldPersist
	if c.space.opt.Format.Dialect == rdb.Valkey {
		takes |= keyConditions
	}
	o, ok := c.parseFieldOptions(takes, 2)
	if !ok {
		return errFailed
	}
	if o.has&relativeTimes != 0 {
		return &UnknownCommandError{Name: "HSETEX"}
	}
	h, found, err := openHash(c)
	if err != nil || !o.met(h, found) {
		return err
	}
	for i := 0; i < len(o.fields); i += 2 {
		field, value, expire := o.fields[i], o.fields[i+1], o.expire
		at := h.find(field)
		if at < 0 {
			h.add(field, value, expire)
			continue
		}
		if o.has&fieldKeepTTL != 0 {
			expire = h.at(at).expire
		}
		h.update(at, value, expire)
	}
	settleHash(c, h, found)
	return nil
}

// met reports whether the conditions let HSETEX set its fields.
func (o *fieldOptions) met(h *hashValue, found bool) bool {
	if o.has&fieldNX != 0 && found || o.has&fieldXX != 0 && !found {
		return false
	}
	for i := 0; i < len(o.fields) && o.has&fieldConditions != 0; i += 2 {
		if exists := h.find(o.fields[i]) >= 0; exists != (o.has&fieldFXX != 0) {
			return false
		}
	}
	return true
}

// runHGetEx is t_hash.c:hgetexCommand, as far as it writes. Servers send HPEXPIREAT, HPERSIST or HDEL instead.
func runHGetEx(c *call) error {
	o, ok := c.parseFieldOptions(expiries&^fieldKeepTTL, 1)
	switch {
	case !ok:
		return errFailed
	case o.has&relativeTimes != 0:
		return &UnknownCommandError{Name: "HGETEX"}
	case o.has == 0:
		return nil
	default:
		return retimeFields(c, o.fields, o.expire, 0)
	}
}
