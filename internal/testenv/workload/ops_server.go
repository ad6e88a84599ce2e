package workload

import (
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func serverOps() []op {
	return []op{
		{row: "SWAPDB", weight: 1, run: func(r *run) { r.do("SWAPDB", r.db, r.otherDB()) }},
		{row: "FLUSHDB", weight: 1, rare: true, run: func(r *run) { r.do("FLUSHDB", r.either("SYNC", "ASYNC")) }},
		{row: "FLUSHALL", weight: 1, rare: true, run: func(r *run) { r.do("FLUSHALL") }},
		{row: "PUBLISH", weight: 2, run: func(r *run) { r.do("PUBLISH", "channel", r.value()) }},
		{row: "SPUBLISH", weight: 2, run: func(r *run) { r.do("SPUBLISH", "channel", r.value()) }},
		{weight: 1, alone: true, run: func(r *run) {
			if !r.w.options.NoBlocking {
				r.do("WAIT", 1, 20)
			}
		}},
		{weight: 1, alone: true, run: func(r *run) {
			if !r.w.options.NoBlocking && r.w.family.Has(testenv.WaitAOF) {
				r.do("WAITAOF", 0, 1, 20)
			}
		}},
	}
}

// transactionOps put other operations between MULTI and EXEC, a third of them with SELECT inside.
func transactionOps() []op {
	return []op{
		{weight: 12, alone: true, run: func(r *run) {
			r.transaction(1 + r.n(5))
			r.do("EXEC")
		}},
		{weight: 1, alone: true, run: func(r *run) {
			r.transaction(2)
			r.do("DISCARD")
		}},
	}
}

func (r *run) transaction(n int) {
	total := 0
	for _, o := range r.w.simple {
		total += o.weight
	}
	r.do("MULTI")
	for range n {
		if r.oneIn(3) {
			r.selectDB(r.n(r.w.options.Databases))
		}
		r.pick(r.w.simple, total).run(r)
	}
}
