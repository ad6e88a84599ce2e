package main

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/aof"
)

// rewriteOptions are those of a log without an upstream.
func rewriteOptions(config Config) aof.RewriteOptions {
	options := aof.RewriteOptions{
		Percentage: int64(config.AOF.AutoRewritePercentage), MinBytes: int64(config.AOF.AutoRewriteMinSize),
		NoPreamble: !bool(config.AOF.UseRDBPreamble),
		Interval:   time.Duration(config.Rewrite.Interval), MaxMemory: int64(config.Rewrite.MaxMemory),
		Fallback: aof.Fallback(config.Rewrite.Fallback),
	}
	if options.MaxMemory == 0 {
		options.MaxMemory = memoryShare()
	}
	return options
}

// rewriteShare is which part of the memory that there is a rewrite may take.
const rewriteShare = 4

// memoryShare is that of the cgroup, or of the machine where that is less or there is no cgroup; 0 where neither can be told.
func memoryShare() int64 {
	var least uint64
	for _, ask := range []memlimit.Provider{memlimit.FromCgroup, memlimit.FromSystem} {
		if limit, err := ask(); err == nil && limit > 0 && (least == 0 || limit < least) {
			least = limit
		}
	}
	return int64(min(least/rewriteShare, 1<<62))
}

// maxCommandNames bounds what commandKeys remembers.
const maxCommandNames = 4096

// commandKeys finds the keys of commands that a rewrite does not know, by what the upstream says of them. Safe for concurrent use.
type commandKeys struct {
	client *redis.Client
	log    *zap.Logger

	mu     sync.Mutex
	known  map[string]keyPlaces // by name in lower case
	denied time.Time            // nothing is asked before
}

// keyPlaces says which arguments of a command are keys (COMMAND INFO): from first to last in steps; last less than 0 counts from the end.
type keyPlaces struct {
	first, last, step int
	ok                bool // these are all
}

func newCommandKeys(client *redis.Client, log *zap.Logger) *commandKeys {
	return &commandKeys{client: client, log: log, known: map[string]keyPlaces{}}
}

// find returns the keys of a command; false where they cannot be known: then nothing can be folded that the command may have touched.
func (c *commandKeys) find(args [][]byte) (keys [][]byte, ok bool) {
	places := c.of(strings.ToLower(string(args[0][:min(len(args[0]), maxCommandName)])))
	if !places.ok {
		return nil, false
	}
	last := places.last
	if last < 0 {
		last += len(args)
	}
	for i := places.first; i <= min(last, len(args)-1); i += places.step {
		keys = append(keys, args[i])
	}
	return keys, len(keys) > 0
}

// maxCommandName is more than any command's name takes.
const maxCommandName = 128

// of returns what the upstream says of a command. Where it does not answer, the next rewrite asks again.
func (c *commandKeys) of(name string) keyPlaces {
	c.mu.Lock()
	defer c.mu.Unlock()
	if places, known := c.known[name]; known || time.Now().Before(c.denied) {
		return places
	}
	ctx, cancel := context.WithTimeout(context.Background(), sideTimeout)
	defer cancel()
	answer, err := c.client.Do(ctx, "COMMAND", "INFO", name).Slice()
	if err != nil {
		c.denied = time.Now().Add(sampleEvery)
		if strings.HasPrefix(err.Error(), "NOPERM") {
			c.denied = time.Now().Add(sampleDenied)
		}
		c.log.Warn("the upstream does not say where the keys of a command are: the log cannot be folded past it",
			zap.String("command", name), zap.Error(err), zap.String("try", "allow +command to this user"))
		return keyPlaces{}
	}
	places := parseKeyPlaces(answer)
	if len(c.known) < maxCommandNames {
		c.known[name] = places
	}
	return places
}

// parseKeyPlaces reads the answer to COMMAND INFO of one command: name, arity, flags, first, last, step, ...; nil where there is no such command.
// Where keys move with other arguments the numbers are not all.
func parseKeyPlaces(answer []any) keyPlaces {
	if len(answer) != 1 {
		return keyPlaces{}
	}
	info, _ := answer[0].([]any)
	if len(info) < 6 {
		return keyPlaces{}
	}
	var numbers [3]int
	for i := range numbers {
		n, _ := info[3+i].(int64) // no number says the same as 0
		numbers[i] = int(n)
	}
	places := keyPlaces{first: numbers[0], last: numbers[1], step: numbers[2]}
	flags, _ := info[2].([]any)
	for _, flag := range flags {
		if flag == "movablekeys" {
			return keyPlaces{}
		}
	}
	places.ok = places.first > 0 && places.step > 0 && max(places.first, places.step) <= math.MaxInt32 && (places.last >= places.first || places.last < 0)
	return places
}
