package fold

import "hash/maphash"

// filter tells of most keys that are not touched that they are not: of the keys of a base that is most of them, and it takes one look at
// two bytes a touched key instead of some at a table that no cache holds. Never of one that is touched.
type filter struct {
	seed  maphash.Seed
	words []uint64
	shift int // what leaves the number of a word of a hash
}

// filterKeys is how many keys share a word: four bits, of which each sets two, are to 64 as here one in sixty is taken for touched that is not.
const filterKeys = 4

// newFilter returns the filter of the keys of t.
func newFilter(t *keyTable) *filter {
	f := &filter{seed: maphash.MakeSeed(), words: make([]uint64, 1), shift: 64}
	for n := len(t.info) / filterKeys; len(f.words) < n; f.shift-- {
		f.words = make([]uint64, 2*len(f.words))
	}
	for db, keys := range t.dbs {
		for n := range keys.All() {
			f.add(db, keys.Name(n))
		}
	}
	return f
}

func (f *filter) add(db int, key []byte) { f.set(maphash.Bytes(f.seed, key) ^ spread(db)) }

func (f *filter) set(hash uint64) { f.words[hash>>f.shift] |= bitsOf(hash) }

// has is false if no key of that name was added.
func (f *filter) has(db int, key []byte) bool {
	hash := maphash.Bytes(f.seed, key) ^ spread(db)
	bits := bitsOf(hash)
	return f.words[hash>>f.shift]&bits == bits
}

func bitsOf(hash uint64) uint64 { return 1<<(hash&63) | 1<<(hash>>6&63) }

// spread makes keys of one name in other databases others (the odd constant is 2^64 over the golden ratio).
func spread(db int) uint64 { return uint64(db) * 0x9e3779b97f4a7c15 }
