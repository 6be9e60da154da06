package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapPercent is how much of what is in use the heap may grow by before it is collected, unless GOGC is in the
	// environment. Most of what lives long is the database's, and holds no pointers: collections are cheap.
	heapPercent = 75

	// heapRoom is what the heap may grow by in any case. A small server has a few megabytes in use: collected after as few
	// more, it would spend a third of the time of its queries on that.
	heapRoom = 24 << 20
)

// paceHeap sets when the heap is collected, now and after each collection.
func paceHeap() {
	if os.Getenv("GOGC") != "" {
		return
	}
	collected(0)
}

// collected is called when the heap has been collected; percent is what was in force.
func collected(percent int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	const least = 4 << 20 // the runtime grows a smaller heap to percent of this
	next := max(heapPercent, heapRoom*100/max(least, int(live[0].Value.Uint64())))
	if d := next - percent; d > percent/10 || -d > percent/10 { // each change stops the program for some microseconds
		debug.SetGCPercent(next)
		percent = next
	}
	runtime.AddCleanup(&cycle{}, collected, percent)
}

// cycle is garbage at once: its cleanup tells of the next collection.
type cycle struct{ _ *cycle }
