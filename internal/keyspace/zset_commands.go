package keyspace

// zsetCommands are the commands of sorted sets that write.
func zsetCommands() []command {
	return []command{
		{name: "ZADD", arity: -4, plan: writes1, run: zadd},
		{name: "ZINCRBY", arity: 4, plan: writes1, run: zincrby},
		{name: "ZREM", arity: -3, plan: writes1, run: zrem},
		{name: "ZREMRANGEBYRANK", arity: 4, plan: writes1, run: zremrangebyrank},
		{name: "ZREMRANGEBYSCORE", arity: 4, plan: writes1, run: zremrangebyscore},
		{name: "ZREMRANGEBYLEX", arity: 4, plan: writes1, run: zremrangebylex},
		{name: "ZPOPMIN", arity: -2, plan: writes1, run: zpopmin},
		{name: "ZPOPMAX", arity: -2, plan: writes1, run: zpopmax},
		{name: "BZPOPMIN", arity: -3, plan: planBZPop, run: bzpopmin},
		{name: "BZPOPMAX", arity: -3, plan: planBZPop, run: bzpopmax},
		{name: "ZMPOP", arity: -4, plan: planZMPop, run: zmpop},
		{name: "BZMPOP", arity: -5, plan: planBZMPop, run: bzmpop},
		{name: "ZRANGESTORE", arity: -5, plan: planZRangeStore, run: zrangestore},
		{name: "ZUNIONSTORE", arity: -4, plan: planZSetStore, run: zunionstore},
		{name: "ZINTERSTORE", arity: -4, plan: planZSetStore, run: zinterstore},
		{name: "ZDIFFSTORE", arity: -4, plan: planZSetStore, run: zdiffstore},
	}
}
