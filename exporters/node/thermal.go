package main

import "github.com/hearth-project/hearth/sdk/metric"

// collectThermal reports the temperatures of thermal zones and how hard the devices that cool them work.
func collectThermal(h *host, w *metric.Writer) error {
	const dir = "class/thermal"
	zones, _ := h.sysFolders(dir, "thermal_zone")
	temp := w.Gauge("node_thermal_zone_temp", "Temperature of a zone, degrees Celsius.", "zone", "type")
	for _, zone := range zones {
		at := dir + "/thermal_zone" + zone
		if v, ok := h.sysNumber(at + "/temp"); ok { // a sensor that sleeps has no value
			temp.Sample(v/1000, zone, h.sysText(at+"/type"))
		}
	}
	devices, _ := h.sysFolders(dir, "cooling_device")
	current := w.Gauge("node_cooling_device_cur_state", "How hard a cooling device works, 0 is not at all.", "name", "type")
	most := w.Gauge("node_cooling_device_max_state", "How hard a cooling device can work.", "name", "type")
	for _, device := range devices {
		at := dir + "/cooling_device" + device
		kind := h.sysText(at + "/type")
		if v, ok := h.sysNumber(at + "/cur_state"); ok {
			current.Sample(v, device, kind)
		}
		if v, ok := h.sysNumber(at + "/max_state"); ok {
			most.Sample(v, device, kind)
		}
	}
	return nil
}
