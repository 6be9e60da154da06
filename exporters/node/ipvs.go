package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectIPVS reports the kernel's load balancer.
func collectIPVS(h *host, w *metric.Writer) error {
	text, err := h.procFile("net/ip_vs_stats")
	if err != nil {
		return orNoData(err)
	}
	lines := strings.Split(text, "\n")
	var totals []string
	if len(lines) > 2 {
		totals = strings.Fields(lines[2]) // below two lines of headings
	}
	for i, c := range [...]struct{ name, help string }{
		{"connections", "Connections made."}, {"incoming_packets", "Packets received."}, {"outgoing_packets", "Packets sent."},
		{"incoming_bytes", "Bytes received."}, {"outgoing_bytes", "Bytes sent."},
	} {
		if i >= len(totals) {
			return fmt.Errorf("net/ip_vs_stats: %d totals, want 5", len(totals))
		}
		v, err := hexNumber(totals[i])
		if err != nil {
			return fmt.Errorf("net/ip_vs_stats: %w", err)
		}
		w.Counter("node_ipvs_"+c.name+"_total", c.help).Sample(v)
	}
	if text, err = h.procFile("net/ip_vs"); err != nil {
		return err
	}
	return ipvsBackends(w, text)
}

// ipvsBackends reads the table of services, each followed by its backends in lines that begin with an arrow.
func ipvsBackends(w *metric.Writer, text string) error {
	gauge := func(name, help string) *metric.Family {
		return w.Gauge("node_ipvs_backend_"+name, help, "local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark")
	}
	weight := gauge("weight", "Weight of a backend.")
	active := gauge("connections_active", "Active connections to a backend.")
	inactive := gauge("connections_inactive", "Inactive connections to a backend.")
	proto, mark, local, localPort := "", "", "", "0"
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		var err error
		switch {
		case len(f) < 2:
		case f[0] == "TCP" || f[0] == "UDP" || f[0] == "SCTP":
			proto, mark = f[0], ""
			if local, localPort, err = hexAddress(f[1]); err != nil {
				return err
			}
		case f[0] == "FWM":
			proto, mark, local, localPort = f[0], f[1], "", "0"
		case f[0] == "->" && len(f) >= 6 && proto != "":
			remote, remotePort, err := hexAddress(f[1])
			if err != nil {
				return err
			}
			for i, family := range []*metric.Family{weight, active, inactive} {
				v, err := number(f[3+i])
				if err != nil {
					return fmt.Errorf("net/ip_vs: %s: %w", f[1], err)
				}
				family.Sample(v, local, localPort, remote, remotePort, proto, mark)
			}
		}
	}
	return nil
}

// hexAddress reads C0A80016:0CEA or [2620:0000:...:0001]:0050.
func hexAddress(s string) (address, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", fmt.Errorf("net/ip_vs: %q is not an address with a port", s)
	}
	n, err := strconv.ParseUint(s[i+1:], 16, 16)
	if err != nil {
		return "", "", fmt.Errorf("net/ip_vs: %q is not an address with a port", s)
	}
	port = strconv.FormatUint(n, 10)
	if s[0] == '[' {
		a, err := netip.ParseAddr(strings.Trim(s[:i], "[]"))
		if err != nil {
			return "", "", fmt.Errorf("net/ip_vs: %w", err)
		}
		return a.String(), port, nil
	}
	ip, err := strconv.ParseUint(s[:i], 16, 32)
	if err != nil {
		return "", "", fmt.Errorf("net/ip_vs: %q is not an address with a port", s)
	}
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}).String(), port, nil
}
