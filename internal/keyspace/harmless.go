package keyspace

import "strings"

// harmless are the commands of the five servers that leave no trace in the data: reads, and what concerns connections, channels, scripts and the
// server. Containers stand for all of their subcommands but those that have a place of their own. CLUSTER SETSLOT and CLUSTER SYNCSLOTS are in streams;
// what they change is the cluster, and the keys of a migration come as commands of their own.
const harmless = `
	ASKING AUTH BGREWRITEAOF BGSAVE DBSIZE DEBUG DISCARD ECHO EXEC FAILOVER HELLO INFO LASTSAVE LOLWUT MONITOR MULTI PING
	PSYNC QUIT RANDOMKEY READONLY READWRITE REPLCONF REPLICAOF RESET ROLE SAVE SELECT SHUTDOWN SLAVEOF SYNC TIME UNWATCH
	WAIT WAITAOF WATCH
	ACL CLIENT CLUSTER COMMAND COMMANDLOG CONFIG LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SLOWLOG XINFO
	PSUBSCRIBE PUBLISH PUNSUBSCRIBE SPUBLISH SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE
	CLUSTERSCAN DUMP EXISTS EXPIRETIME KEYS PEXPIRETIME PTTL SCAN SORT_RO TOUCH TTL TYPE
	BITCOUNT BITFIELD_RO BITPOS GET GETBIT GETRANGE LCS MGET PFSELFTEST STRLEN SUBSTR
	LINDEX LLEN LPOS LRANGE
	SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN SUNION
	HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSTRLEN HTTL HVALS
	ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK
	ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION
	GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH
	XLEN XPENDING XRANGE XREAD XREVRANGE
	EVALSHA_RO EVAL_RO FCALL_RO
	VCARD VDIM VEMB VGETATTR VINFO VISMEMBER VLINKS VRANDMEMBER VSIM
`

// harmlessSubcommands are those of containers that have write commands too.
const harmlessSubcommands = `
	FUNCTION|DUMP FUNCTION|HELP FUNCTION|KILL FUNCTION|LIST FUNCTION|STATS XGROUP|HELP
`

func harmlessCommands() []command {
	names := strings.Fields(harmless)
	for name := range strings.FieldsSeq(harmlessSubcommands) {
		names = append(names, strings.ReplaceAll(name, "|", " "))
	}
	list := make([]command, len(names))
	for i, name := range names {
		list[i] = command{name: name, arity: -1, plan: planNothing, run: runNothing}
	}
	return list
}

func planNothing(_ [][]byte, p *Plan) { p.Effect = Nothing }

func runNothing(*call) error { return nil }
