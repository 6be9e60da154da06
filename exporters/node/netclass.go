package main

import (
	"github.com/hearth-project/hearth/sdk/metric"
)

// netclassFiles are the files of an interface in /sys and the metrics they become.
var netclassFiles = [...]struct {
	file, name string
	counter    bool
}{
	{"addr_assign_type", "address_assign_type", false},
	{"carrier", "carrier", false},
	{"carrier_changes", "carrier_changes_total", true},
	{"carrier_up_count", "carrier_up_changes_total", true},
	{"carrier_down_count", "carrier_down_changes_total", true},
	{"dev_id", "device_id", false},
	{"dormant", "dormant", false},
	{"flags", "flags", false},
	{"ifindex", "iface_id", false},
	{"iflink", "iface_link", false},
	{"link_mode", "iface_link_mode", false},
	{"mtu", "mtu_bytes", false},
	{"name_assign_type", "name_assign_type", false},
	{"netdev_group", "net_dev_group", false},
	{"tx_queue_len", "transmit_queue_length", false},
	{"type", "protocol_type", false},
}

// collectNetclass reports properties of network interfaces from /sys/class/net.
func collectNetclass(h *host, w *metric.Writer) error {
	devices, err := list(h.Sysfs + "/class/net")
	if err != nil {
		return err
	}
	info := w.Gauge("node_network_info", "Properties of an interface that are no numbers; always 1.",
		"device", "address", "broadcast", "duplex", "operstate", "ifalias")
	up := w.Gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.", "device")
	speed := w.Gauge("node_network_speed_bytes", "Network device property: speed_bytes", "device")
	for _, device := range devices {
		if h.NetDevicesExclude.match(device) {
			continue
		}
		dir := "class/net/" + device + "/"
		text := func(file string) string { s, _ := h.sysFile(dir + file); return s } // absent is empty
		state := text("operstate")
		if state == "" {
			continue // not an interface: bonding_masters
		}
		up.Sample(metric.Bool(state == "up"), device)
		info.Sample(1, device, text("address"), text("broadcast"), text("duplex"), state, text("ifalias"))
		for _, f := range netclassFiles {
			v, ok := h.sysNumber(dir + f.file)
			if !ok {
				continue // as carrier of an interface that is down
			}
			kind := metric.KindGauge
			if f.counter {
				kind = metric.KindCounter
			}
			w.Family(kind, "node_network_"+f.name, "Network device property: "+f.name, "device").Sample(v, device)
		}
		if mbit, ok := h.sysNumber(dir + "speed"); ok {
			speed.Sample(mbit*1000*1000/8, device)
		}
	}
	return nil
}
