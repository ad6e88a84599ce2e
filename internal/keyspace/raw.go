package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// rawValue is a value as it was in an RDB: nobody has decoded it. Its bytes never change.
type rawValue struct {
	typ  rdb.Type
	body []byte
	use  *rdb.Attributes // when it was used last, or how often; nil: not known
}

func (v *rawValue) typeName() string { return v.typ.Kind() }

// empty is false: no RDB has an empty value that is no key.
func (v *rawValue) empty() bool { return false }

// clone is for COPY: nobody has used the copy yet.
func (v *rawValue) clone() value {
	if v.use == nil {
		return v
	}
	return &rawValue{typ: v.typ, body: v.body}
}

func (v *rawValue) size() int64 { return int64(len(v.body)) }

func (v *rawValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	return v.typ, append(dst, v.body...)
}

// appendCommands appends nothing: [Key.AppendCommands] decodes it first, which may fail.
func (v *rawValue) appendCommands(dst, _ []byte) []byte { return dst }
