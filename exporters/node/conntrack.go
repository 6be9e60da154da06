package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectConntrack reports the table of tracked connections.
func collectConntrack(h *host, w *metric.Writer) error {
	v, err := h.procNumber("sys/net/netfilter/nf_conntrack_count")
	if errors.Is(err, fs.ErrNotExist) {
		return errNoData // the module is not loaded
	}
	if err != nil {
		return err
	}
	w.Gauge("node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking.").Sample(v)
	if v, err = h.procNumber("sys/net/netfilter/nf_conntrack_max"); err != nil {
		return err
	}
	w.Gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.").Sample(v)
	text, err := h.procFile("net/stat/nf_conntrack")
	if err != nil {
		return nil // needs root or a capability in some kernels
	}
	return conntrackStats(w, text)
}

// conntrackStats sums columns over the lines, which are CPUs, with hexadecimal numbers.
func conntrackStats(w *metric.Writer, text string) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	sums := map[string]float64{}
	names := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		for i, s := range strings.Fields(line) {
			if i >= len(names) {
				break
			}
			v, err := hexNumber(s)
			if err != nil {
				return fmt.Errorf("net/stat/nf_conntrack: %w", err)
			}
			sums[names[i]] += v
		}
	}
	for _, c := range []struct{ name, help string }{
		{"found", "Number of searched entries which were successful."},
		{"invalid", "Number of packets seen which can not be tracked."},
		{"ignore", "Number of packets seen which are already connected to a conntrack entry."},
		{"insert", "Number of entries inserted into the list."},
		{"insert_failed", "Number of entries for which list insertion was attempted but failed."},
		{"drop", "Number of packets dropped due to conntrack failure."},
		{"early_drop", "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached."},
		{"search_restart", "Number of conntrack table lookups which had to be restarted due to hashtable resizes."},
	} {
		w.Gauge("node_nf_conntrack_stat_"+c.name, c.help).Sample(sums[c.name])
	}
	return nil
}
