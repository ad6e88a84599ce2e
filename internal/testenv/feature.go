package testenv

// Feature is something that only some of the servers have.
type Feature int

// The features that tests ask for.
const (
	// FieldTTL is expiry of single hash fields: HEXPIRE, HPEXPIRETIME, HPERSIST and their kin.
	FieldTTL Feature = iota
	// HashSetEx is HSETEX and HGETEX.
	HashSetEx
	// HashGetDel is HGETDEL.
	HashGetDel
	// WaitAOF is WAITAOF; servers without it ignore FACK.
	WaitAOF
	// MultiSetEx is MSETEX.
	MultiSetEx
	// DelIfEq is DELIFEQ.
	DelIfEq
	// SetIfEq is SET ... IFEQ.
	SetIfEq
	// GeoPolygon is GEOSEARCHSTORE ... BYPOLYGON.
	GeoPolygon
	// StreamReadCounts says that XREADGROUP tells replicas a group's entries-read.
	StreamReadCounts
	// VectorSets are VADD and the other commands of Redis' built-in module.
	VectorSets
	// FlushSlot is CLUSTER FLUSHSLOT.
	FlushSlot
	// FieldTTLReplayHazard says that the server mishandles expired hash fields while it loads an AOF
	// (reference: t_hash.c:hashTypeGetValue treats them as absent while loading). Its raw log must not be
	// compared by hash fields; see [IgnoreHashes].
	FieldTTLReplayHazard
	// SortByNumber says that SORT by number does the same on an upstream, its replicas and loaders. Before, it is refused where some number
	// before, of any command, was out of range (sort.c:sortCommandGeneric looks at an errno that nobody resets).
	SortByNumber
	// BrokenCheckAOF says that check-aof refuses every base with the server's own RDB version.
	BrokenCheckAOF
)

// Has reports whether the server has a feature. Functions, LMPOP, multi-part AOF and stream commands
// up to XAUTOCLAIM are in all five.
func (f Family) Has(feature Feature) bool {
	redis, valkey := feature.since()
	return f.AtLeast(redis, valkey)
}

// since returns the first version of each dialect that has the feature.
func (feature Feature) since() (redis, valkey Version) {
	switch feature {
	case FieldTTL:
		return Version{7, 4, 0}, Version{9, 0, 0}
	case HashSetEx:
		return Version{8, 0, 0}, Version{9, 0, 0}
	case HashGetDel:
		return Version{8, 0, 0}, Version{9, 1, 0}
	case WaitAOF:
		return Version{7, 2, 0}, Version{7, 2, 0}
	case MultiSetEx:
		return Version{}, Version{9, 1, 0}
	case DelIfEq:
		return Version{}, Version{9, 0, 0}
	case SetIfEq:
		return Version{}, Version{8, 1, 0}
	case GeoPolygon:
		return Version{}, Version{9, 0, 0}
	case StreamReadCounts:
		return Version{7, 2, 0}, Version{7, 2, 0}
	case VectorSets:
		return Version{8, 0, 0}, Version{}
	case FlushSlot:
		return Version{}, Version{9, 0, 0}
	case FieldTTLReplayHazard:
		return Version{7, 4, 0}, Version{}
	case SortByNumber:
		return Version{8, 0, 0}, Version{8, 1, 0}
	case BrokenCheckAOF:
		return Version{}, Version{9, 0, 0}
	}
	return Version{}, Version{}
}
