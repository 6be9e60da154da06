package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// netdevColumns are the columns of /proc/net/dev after the interface's name.
var netdevColumns = [...]string{
	"receive_bytes", "receive_packets", "receive_errs", "receive_drop", "receive_fifo", "receive_frame", "receive_compressed", "receive_multicast",
	"transmit_bytes", "transmit_packets", "transmit_errs", "transmit_drop", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
}

// collectNetdev reports the traffic of network interfaces.
func collectNetdev(h *host, w *metric.Writer) error {
	text, err := h.procFile("net/dev")
	if err != nil {
		return err
	}
	family := func(column string) *metric.Family {
		return w.Counter("node_network_"+column+"_total", "Network device statistic "+column+".", "device")
	}
	families := make([]*metric.Family, len(netdevColumns))
	for i, c := range netdevColumns {
		families[i] = family(c)
	}
	nohandler := family("receive_nohandler")
	for line := range strings.Lines(text) {
		i := strings.LastIndexByte(line, ':') // an alias has one in its name
		if i < 0 {
			continue // the two lines of headings
		}
		device, f := strings.TrimSpace(line[:i]), strings.Fields(line[i+1:])
		if h.NetDevicesExclude.match(device) {
			continue
		}
		if len(f) < len(families) {
			return fmt.Errorf("net/dev: %s has %d numbers, want %d", device, len(f), len(families))
		}
		for i, family := range families {
			v, err := number(f[i])
			if err != nil {
				return fmt.Errorf("net/dev: %s: %w", device, err)
			}
			family.Sample(v, device)
		}
		if v, ok := h.sysNumber("class/net/" + device + "/statistics/rx_nohandler"); ok {
			nohandler.Sample(v, device)
		}
	}
	return nil
}
