package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectSockstat reports the use of sockets from /proc/net/sockstat and sockstat6.
func collectSockstat(h *host, w *metric.Writer) error {
	for _, file := range []string{"net/sockstat", "net/sockstat6"} {
		text, err := h.procFile(file)
		if errors.Is(err, fs.ErrNotExist) && file == "net/sockstat6" {
			break // IPv6 is off
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			protocol, rest, ok := strings.Cut(line, ":")
			f := strings.Fields(rest)
			if !ok || len(f)%2 != 0 {
				return fmt.Errorf("%s: %q is not a name with pairs", file, line)
			}
			for i := 0; i < len(f); i += 2 {
				v, err := number(f[i+1])
				if err != nil {
					return fmt.Errorf("%s: %s: %w", file, protocol, err)
				}
				socketGauge(w, protocol, f[i]).Sample(v)
				if f[i] == "mem" && (protocol == "TCP" || protocol == "UDP") { // in pages
					if size := h.hostPageSize(); size > 0 {
						socketGauge(w, protocol, "mem_bytes").Sample(v * float64(size))
					}
				}
			}
		}
	}
	return nil
}

func socketGauge(w *metric.Writer, protocol, state string) *metric.Family {
	if protocol == "sockets" {
		return w.Gauge("node_sockstat_sockets_"+state, "Number of sockets "+state+".")
	}
	return w.Gauge("node_sockstat_"+protocol+"_"+state, "Number of "+protocol+" sockets in state "+state+".")
}

// hostPageSize returns the size of the host's memory pages in bytes, 0 if it can't be told. The sandbox has a page
// size of its own; there the kernel's figure for page tables, known in pages and in kB, tells the host's.
func (h *host) hostPageSize() int {
	if h.PageSize > 0 {
		return h.PageSize
	}
	if runtime.GOOS != "wasip1" {
		h.PageSize = os.Getpagesize()
		return h.PageSize
	}
	pages := h.lookUp("vmstat", "nr_page_table_pages ")
	kB := h.lookUp("meminfo", "PageTables:")
	if pages <= 0 || kB <= 0 {
		return 0
	}
	h.PageSize = 1024 << max(0, int(math.Round(math.Log2(kB/pages))))
	return h.PageSize
}

// lookUp returns the number after a prefix at the start of a line, 0 if there is none.
func (h *host) lookUp(file, prefix string) float64 {
	text, err := h.procFile(file)
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut("\n"+text, "\n"+prefix)
	f := strings.Fields(rest)
	if !ok || len(f) == 0 {
		return 0
	}
	v, err := number(f[0])
	if err != nil {
		return 0
	}
	return v
}
