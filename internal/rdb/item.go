package rdb

// ItemKind says what an Item is.
type ItemKind uint8

const (
	// KeyItem is a key with its value and what applies to it.
	KeyItem ItemKind = iota
	// AuxItem is an auxiliary field.
	AuxItem
	// SelectItem selects the database of the keys that follow.
	SelectItem
	// ResizeItem announces how many keys a database has.
	ResizeItem
	// SlotInfoItem announces how many keys a cluster slot has (Redis >= 7.4).
	SlotInfoItem
	// SlotImportItem names slots that are being imported (Valkey >= 9).
	SlotImportItem
	// FunctionItem is the source of a function library.
	FunctionItem
	// ModuleAuxItem is a module's data beside the keys.
	ModuleAuxItem
)

// Item is one unit of an RDB file. Its slices are valid until the Reader's next call of Next.
type Item struct {
	Kind ItemKind
	// Type is the value's type. KeyItem only.
	Type Type
	// HasExpire, HasIdle and HasFreq say that Expire, Idle and Freq were given. KeyItem only.
	HasExpire, HasIdle, HasFreq bool
	// Freq is the LFU counter.
	Freq uint8
	// DB is the selected database; for SelectItem the one that it selects.
	DB int
	// Expire is the absolute expiry time in milliseconds of Unix time. It may be in the past: expired keys are data until the
	// upstream deletes them.
	Expire int64
	// Idle is how long the key was not used, in seconds.
	Idle uint64
	// Key is the key, decoded; for AuxItem the field's name.
	Key []byte
	// Value is the value of an AuxItem, decoded, if it takes no more than 1 KiB; else nil.
	Value []byte
	// Offset is where the item begins, its expiry and the like included, in bytes from the start of the file.
	Offset int64
	// HeadBytes is how many bytes lie before the value: of what CopyRaw writes, [HeadBytes:] is the value.
	HeadBytes int64
}
