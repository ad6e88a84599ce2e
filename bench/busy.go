package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// busy is processor time: all cores', and what of it this process and the children it has waited for took.
type busy struct {
	at        time.Time
	all, ours time.Duration
}

// countBusy reads what was taken since the machine started, by the kernel's ticks of 10 ms.
func countBusy() (busy, error) {
	const tick = 10 * time.Millisecond
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return busy{}, fmt.Errorf("read processor time: %w", err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	now := busy{at: time.Now()}
	for i, field := range strings.Fields(first) { // cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user
		if i < 1 || i == 4 || i == 5 || i > 7 {
			continue
		}
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return busy{}, fmt.Errorf("read processor time: %w", err)
		}
		now.all += time.Duration(ticks) * tick
	}
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			return busy{}, fmt.Errorf("read processor time: %w", err)
		}
		now.ours += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return now, nil
}

// others returns what part of so many cores somebody else took since before: the kernel for the disk, and whoever else uses the machine.
func (b busy) others(before busy, cores int) float64 {
	theirs := (b.all - before.all) - (b.ours - before.ours)
	return max(0, theirs.Seconds()/b.at.Sub(before.at).Seconds()/float64(cores))
}
