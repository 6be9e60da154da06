package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectNetstat reports counters of the network protocols from /proc/net/netstat, snmp and snmp6.
func collectNetstat(h *host, w *metric.Writer) error {
	for _, file := range []string{"net/netstat", "net/snmp"} {
		text, err := h.procFile(file)
		if err != nil {
			return err
		}
		if err := h.headedCounters(w, file, text); err != nil {
			return err
		}
	}
	text, err := h.procFile("net/snmp6")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // IPv6 is off
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return fmt.Errorf("net/snmp6: %q is not a name and a number", line)
		}
		protocol, name, ok := strings.Cut(f[0], "6") // Ip6InOctets
		if !ok {
			return fmt.Errorf("net/snmp6: %q has no protocol", f[0])
		}
		if err := h.netstat(w, protocol+"6", name, f[1]); err != nil {
			return fmt.Errorf("net/snmp6: %w", err)
		}
	}
	return nil
}

// headedCounters reads pairs of lines, one with names and one with numbers, both beginning with the protocol.
func (h *host) headedCounters(w *metric.Writer, file, text string) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("%s: line %d does not fit line %d", file, i+2, i+1)
		}
		protocol := strings.TrimSuffix(names[0], ":")
		for j := 1; j < len(names); j++ {
			if err := h.netstat(w, protocol, names[j], values[j]); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

func (h *host) netstat(w *metric.Writer, protocol, name, value string) error {
	key := protocol + "_" + name
	if !h.NetstatFields.match(key) {
		return nil
	}
	v, err := number(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	w.Untyped("node_netstat_"+key, "Statistic "+protocol+name+".").Sample(v)
	return nil
}
