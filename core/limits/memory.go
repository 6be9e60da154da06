package limits

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// What happens as the memory that the process needs comes near the budget, in parts of it. What is needed is what the
// garbage collector last found alive, its own keeping included, and all memory outside of its heap. Files that are
// mapped are not counted: the kernel takes them back as it likes.
const (
	relieveAt = 0.75 // the database takes a checkpoint and cuts what is old
	refuseAt  = 0.80 // new series are refused, worst job first,
	closeAt   = 0.92 // and from here on all of them
	queriesTo = 0.95 // queries may hold what is left up to here
)

const (
	seriesCost  = 2 << 10          // bytes that a series is taken to need until memory is measured again
	leastPool   = 16 << 20         // bytes that queries may always hold, with those of rules
	reliefPause = 2 * time.Minute  // between two times that the database is asked to let go,
	shortPause  = 30 * time.Second // while new series are refused
)

// Usage is the memory of a process, in bytes.
type Usage struct {
	Needed  int64 // without garbage
	OffHeap int64 // of it, what is not the Go runtime's
	Go      int64 // what the Go runtime has taken, garbage included
}

// memory is the budget and what of it is used.
type memory struct {
	budget   int64 // bytes; 0 is none
	source   string
	usage    Usage
	pending  int64 // what is needed soon in any case
	held     int64 // by queries
	added    int64 // series since usage was measured
	relieved time.Time
	reliefs  uint64
	pool     int64 // what queries may hold now
}

func (m *memory) measured(u Usage, pending int64) {
	m.usage, m.pending, m.added = u, max(0, pending), 0
}

// base returns what is needed without queries, now or soon.
func (m *memory) base() int64 {
	return max(0, m.usage.Needed-min(m.held, m.usage.Needed/2)) + m.pending + m.added*seriesCost
}

func (m *memory) part() float64 {
	if m.budget <= 0 {
		return 0
	}
	return float64(m.base()) / float64(m.budget)
}

func (m *memory) pressure() float64 { return rising(m.part(), refuseAt, closeAt) }

// shares returns what queries may hold, of configured, and what the Go runtime may take; 0 is no limit.
func (m *memory) shares(configured int64) (queries, runtime int64) {
	m.pool = configured
	if m.budget <= 0 {
		return configured, 0
	}
	left := int64(queriesTo*float64(m.budget)) - m.base()
	m.pool = min(configured, max(left, leastPool))
	return m.pool, max(m.budget-m.usage.OffHeap, m.budget/4)
}

// relieveDue tells whether the database should let go of memory now.
func (m *memory) relieveDue(now time.Time) bool {
	pause := reliefPause
	if m.part() >= refuseAt {
		pause = shortPause
	}
	if m.part() < relieveAt || now.Sub(m.relieved) < pause {
		return false
	}
	m.relieved = now
	m.reliefs++
	return true
}

// Measure returns the memory of this process.
func Measure() Usage {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	n := func(i int) int64 { return int64(s[i].Value.Uint64()) }
	u := Usage{Go: n(0) - n(1)}
	own := u.Go - n(2) - n(3) - n(4) // stacks, and what the runtime keeps for itself
	live := min(n(5), n(3))
	if n(5) == 0 { // nothing has been collected yet
		live = n(3)
	}
	if anon, ok := anonymous(os.DirFS("/")); ok {
		u.OffHeap = max(0, anon-u.Go)
	}
	u.Needed = live + own + u.OffHeap
	return u
}

// anonymous returns the resident memory of this process that is of no file, as Linux tells it.
func anonymous(root fs.FS) (int64, bool) { return field(root, "proc/self/status", "RssAnon:") }

// field returns a number of kB from a file of names and values.
func field(root fs.FS, file, name string) (int64, bool) {
	b, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) >= 2 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}

// machinePart is how much of the machine's, or the container's, memory is the budget: the rest is for what else runs
// there, and for what the kernel charges us.
const machinePart = 0.9

// Machine returns the memory budget of a process that is not told one, in bytes, and where it comes from: nine tenths of
// what the control groups of the process allow, or of the machine. root is the root of the file system.
func Machine(root fs.FS) (bytes int64, source string) {
	least, source := int64(math.MaxInt64), ""
	if n, ok := field(root, "proc/meminfo", "MemTotal:"); ok {
		least, source = n, "memory of this machine"
	}
	if n, ok := groupLimit(root); ok && n < least {
		least, source = n, "memory limit of the control group"
	}
	if source == "" {
		return 0, ""
	}
	return int64(float64(least) * machinePart), "nine tenths of the " + source
}

// groupLimit returns the least memory limit of the control groups of this process, of version 2 or 1.
func groupLimit(root fs.FS) (int64, bool) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	least, found := int64(math.MaxInt64), false
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(parts) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if parts[1] != "memory" {
				continue
			}
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for p := path.Clean("/" + parts[2]); ; p = path.Dir(p) { // all above count, too; in a container the path may be one of the host
			if text, err := fs.ReadFile(root, path.Join(dir, p, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
					least, found = min(least, n), true
				}
			}
			if p == "/" {
				break
			}
		}
	}
	return least, found
}
