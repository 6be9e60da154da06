package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// powerSupplyRenamed are the metrics whose name is not that of their file.
var powerSupplyRenamed = map[string]string{
	"cycle_count": "cyclecount", "time_to_empty_now": "time_to_empty_seconds", "time_to_full_now": "time_to_full_seconds",
	"current_now": "current_ampere", "energy_now": "energy_watthour", "voltage_now": "voltage_volt", "charge_now": "charge_ampere",
	"power_now": "power_watt",
}

// powerSupplyFiles are the files with numbers, by what their numbers are divided by. Units there are micro-something
// and, for temperatures, tenths. Source: the kernel's Documentation/ABI/testing/sysfs-class-power.
var powerSupplyFiles = []struct {
	unit  float64
	files []string
}{
	{1, []string{"authentic", "calibrate", "capacity", "capacity_alert_max", "capacity_alert_min", "cycle_count", "online", "present",
		"time_to_empty_now", "time_to_full_now"}},
	{1e6, []string{"current_boot", "current_max", "current_now", "energy_empty", "energy_empty_design", "energy_full",
		"energy_full_design", "energy_now", "voltage_boot", "voltage_max", "voltage_max_design", "voltage_min", "voltage_min_design",
		"voltage_now", "voltage_ocv", "charge_control_limit", "charge_control_limit_max", "charge_counter", "charge_empty",
		"charge_empty_design", "charge_full", "charge_full_design", "charge_now", "charge_term_current", "constant_charge_current",
		"constant_charge_current_max", "constant_charge_voltage", "constant_charge_voltage_max", "precharge_current",
		"input_current_limit", "power_now"}},
	{10, []string{"temp", "temp_alert_max", "temp_alert_min", "temp_ambient", "temp_ambient_max", "temp_ambient_min", "temp_max",
		"temp_min"}},
}

var powerSupplyInfo = []string{"capacity_level", "charge_type", "health", "manufacturer", "model_name", "serial_number", "status",
	"technology", "type", "usb_type", "scope"}

// collectPowerSupply reports batteries and mains.
func collectPowerSupply(h *host, w *metric.Writer) error {
	const dir = "class/power_supply"
	supplies, err := h.sysFolders(dir, "")
	if err != nil {
		return err
	}
	info := w.Gauge("node_power_supply_info", "What is known of a power supply; always 1.", append([]string{"power_supply"}, powerSupplyInfo...)...)
	for _, supply := range supplies {
		at := dir + "/" + supply + "/"
		values := []string{supply}
		for _, f := range powerSupplyInfo {
			values = append(values, h.sysText(at+f))
		}
		info.Sample(1, values...)
		there, err := list(h.Sysfs + "/" + at)
		if err != nil {
			return err
		}
		has := make(map[string]bool, len(there))
		for _, f := range there {
			has[f] = true
		}
		for _, group := range powerSupplyFiles {
			for _, f := range group.files {
				if !has[f] {
					continue
				}
				v, ok := h.sysNumber(at + f)
				if !ok {
					continue
				}
				name := f
				if n, ok := powerSupplyRenamed[f]; ok {
					name = n
				} else if group.unit == 10 {
					name += "_celsius"
				}
				w.Gauge("node_power_supply_"+name, "Power supply: "+strings.ReplaceAll(f, "_", " ")+".", "power_supply").Sample(v/group.unit, supply)
			}
		}
	}
	return nil
}
