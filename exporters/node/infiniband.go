package main

import (
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// ibCounters are files of a port and the metrics they become; words are four bytes.
// Source: the kernel's Documentation/ABI/stable/sysfs-class-infiniband.
var ibCounters = [...]struct {
	file, name string
	words      bool
}{
	{"counters_ext/port_multicast_rcv_packets", "legacy_multicast_packets_received", false},
	{"counters_ext/port_multicast_xmit_packets", "legacy_multicast_packets_transmitted", false},
	{"counters_ext/port_rcv_data_64", "legacy_data_received_bytes", true},
	{"counters_ext/port_rcv_packets_64", "legacy_packets_received", false},
	{"counters_ext/port_unicast_rcv_packets", "legacy_unicast_packets_received", false},
	{"counters_ext/port_unicast_xmit_packets", "legacy_unicast_packets_transmitted", false},
	{"counters_ext/port_xmit_data_64", "legacy_data_transmitted_bytes", true},
	{"counters_ext/port_xmit_packets_64", "legacy_packets_transmitted", false},
	{"counters/excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors", false},
	{"counters/link_downed", "link_downed", false},
	{"counters/link_error_recovery", "link_error_recovery", false},
	{"counters/local_link_integrity_errors", "local_link_integrity_errors", false},
	{"counters/multicast_rcv_packets", "multicast_packets_received", false},
	{"counters/multicast_xmit_packets", "multicast_packets_transmitted", false},
	{"counters/port_rcv_constraint_errors", "port_constraint_errors_received", false},
	{"counters/port_xmit_constraint_errors", "port_constraint_errors_transmitted", false},
	{"counters/port_rcv_data", "port_data_received_bytes", true},
	{"counters/port_xmit_data", "port_data_transmitted_bytes", true},
	{"counters/port_rcv_discards", "port_discards_received", false},
	{"counters/port_xmit_discards", "port_discards_transmitted", false},
	{"counters/port_rcv_errors", "port_errors_received", false},
	{"counters/port_rcv_packets", "port_packets_received", false},
	{"counters/port_xmit_packets", "port_packets_transmitted", false},
	{"counters/port_xmit_wait", "port_transmit_wait", false},
	{"counters/unicast_rcv_packets", "unicast_packets_received", false},
	{"counters/unicast_xmit_packets", "unicast_packets_transmitted", false},
	{"counters/port_rcv_remote_physical_errors", "port_receive_remote_physical_errors", false},
	{"counters/port_rcv_switch_relay_errors", "port_receive_switch_relay_errors", false},
	{"counters/symbol_error", "symbol_error", false},
	{"counters/VL15_dropped", "vl15_dropped", false},
}

// collectInfiniBand reports the ports of InfiniBand adapters.
func collectInfiniBand(h *host, w *metric.Writer) error {
	const dir = "class/infiniband"
	devices, err := h.sysFolders(dir, "")
	if err != nil {
		return err
	}
	info := w.Gauge("node_infiniband_info", "What is known of an adapter; always 1.", "device", "board_id", "firmware_version", "hca_type")
	for _, d := range devices {
		at := dir + "/" + d
		info.Sample(1, d, h.sysText(at+"/board_id"), h.sysText(at+"/fw_ver"), h.sysText(at+"/hca_type"))
		ports, _ := h.sysFolders(at+"/ports", "")
		for _, port := range ports {
			h.ibPort(w, d, port, at+"/ports/"+port+"/")
		}
	}
	return nil
}

func (h *host) ibPort(w *metric.Writer, device, port, at string) {
	gauge := func(name, help string, v float64, ok bool) {
		if ok {
			w.Gauge("node_infiniband_"+name, help, "device", "port").Sample(v, device, port)
		}
	}
	state, ok := leadingNumber(h.sysText(at+"state"), ":") // 4: ACTIVE
	gauge("state_id", "State of a port: 1 down, 2 init, 3 armed, 4 active, 5 active defer.", state, ok)
	state, ok = leadingNumber(h.sysText(at+"phys_state"), ":")
	gauge("physical_state_id", "Physical state of a port: 1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 link error recovery.", state, ok)
	rate, ok := leadingNumber(h.sysText(at+"rate"), " ") // 40 Gb/sec (4X QDR)
	gauge("rate_bytes_per_second", "Most a port can move.", rate*1e9/8, ok)
	for _, c := range ibCounters {
		v, ok := h.sysNumber(at + c.file)
		if !ok {
			continue // also "N/A (no PMA)"
		}
		if c.words {
			v *= 4
		}
		w.Counter("node_infiniband_"+c.name+"_total", "InfiniBand: "+strings.ReplaceAll(c.name, "_", " ")+".", "device", "port").Sample(v, device, port)
	}
}

// leadingNumber returns the number before a separator.
func leadingNumber(s, separator string) (float64, bool) {
	s, _, _ = strings.Cut(s, separator)
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
