package main

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// hwmonTypes are the kinds of sensors, as the names of their files begin.
// Source: the kernel's Documentation/hwmon/sysfs-interface.rst.
var hwmonTypes = []string{"vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy",
	"humidity", "intrusion"}

// collectHwmon reports what the monitoring chips of the hardware measure: temperatures, voltages, fans, power.
func collectHwmon(h *host, w *metric.Writer) error {
	chips, err := h.sysFolders("class/hwmon", "")
	if err != nil {
		return err
	}
	for _, chip := range chips {
		h.hwmonChip(w, "class/hwmon/"+chip)
	}
	return nil
}

func (h *host) hwmonChip(w *metric.Writer, dir string) {
	chip := h.hwmonName(dir)
	if name := cleanName(h.sysText(dir + "/name")); name != "" {
		w.Gauge("node_hwmon_chip_names", "What the driver calls a chip; always 1.", "chip", "chip_name").Sample(1, chip, name)
	}
	sensors := map[string]map[string]string{} // by sensor and property
	h.hwmonFiles(dir, sensors)
	h.hwmonFiles(dir+"/device", sensors) // where old drivers have them
	for sensor, properties := range sensors {
		kind, _, _, _ := splitSensor(sensor)
		if label, ok := properties["label"]; ok {
			w.Gauge("node_hwmon_sensor_label", "What the driver calls a sensor; always 1.", "chip", "sensor", "label").Sample(1, chip, sensor, label)
		}
		_, plain := properties[""]
		for property, text := range properties {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || property == "label" {
				continue
			}
			m := hwmonMetric(kind, property, plain)
			w.Family(m.kind, "node_hwmon_"+m.name, "Hardware monitor, "+kind+": "+m.what+".", "chip", "sensor").Sample(v/m.unit, chip, sensor)
		}
	}
}

// hwmonFiles reads the sensors' files in a folder. Files whose sensor gives no value at the moment are left out.
func (h *host) hwmonFiles(dir string, sensors map[string]map[string]string) {
	names, _ := list(h.Sysfs + "/" + dir)
	for _, name := range names {
		kind, number, property, ok := splitSensor(name)
		if !ok || !slices.Contains(hwmonTypes, kind) {
			continue
		}
		text, err := h.read(h.Sysfs + "/" + dir + "/" + name)
		if err != nil {
			continue
		}
		sensor := kind + strconv.Itoa(number)
		if sensors[sensor] == nil {
			sensors[sensor] = map[string]string{}
		}
		sensors[sensor][property] = strings.ToValidUTF8(strings.Trim(text, "\n"), "\uFFFD") // blanks are part of a label
	}
}

// splitSensor takes a file's name apart: temp1_crit_alarm is temp, 1 and crit_alarm. The number is 0 if there is none.
func splitSensor(name string) (kind string, n int, property string, ok bool) {
	i := strings.IndexAny(name, "0123456789")
	if i < 0 {
		return name, 0, "", true
	}
	kind, rest := name[:i], strings.TrimLeft(name[i:], "0123456789")
	n, err := strconv.Atoi(name[i : len(name)-len(rest)])
	if err != nil || kind == "" || rest == "_" {
		return "", 0, "", false
	}
	property, ok = strings.CutPrefix(rest, "_")
	return kind, n, property, ok || rest == ""
}

// hwmonFamily is what a property of a sensor becomes: values are divided by unit.
type hwmonFamily struct {
	kind       metric.Kind
	name, what string
	unit       float64
}

// hwmonMetric names the metric of a property. plain tells that the sensor also has a file without any property, whose
// name the value in the file _input would otherwise take.
func hwmonMetric(kind, property string, plain bool) hwmonFamily {
	name := kind
	if property == "input" && plain || property != "input" && property != "" {
		name += "_" + cleanName(property)
	}
	what := property
	if what == "" {
		what = "value"
	}
	gauge := func(suffix string, unit float64) hwmonFamily {
		return hwmonFamily{metric.KindGauge, name + suffix, what, unit}
	}
	switch {
	case kind == "beep_enable":
		return hwmonFamily{metric.KindGauge, "beep_enabled", "whether it beeps", 1}
	case kind == "vrm":
		return hwmonFamily{metric.KindGauge, "voltage_regulator_version", "version", 1}
	case kind == "update_interval":
		return hwmonFamily{metric.KindGauge, "update_interval_seconds", "time between measurements", 1000}
	case property == "fault" || property == "alarm":
		return gauge("", 1)
	case property == "beep":
		return gauge("_enabled", 1)
	case kind == "in" || kind == "cpu":
		return gauge("_volts", 1000)
	case kind == "temp" && property != "type":
		return gauge("_celsius", 1000)
	case kind == "curr":
		return gauge("_amps", 1000)
	case kind == "energy":
		return hwmonFamily{metric.KindCounter, name + "_joule_total", what, 1e6}
	case kind == "power" && property == "accuracy":
		return gauge("", 1e6)
	case kind == "power" && strings.HasPrefix(property, "average_interval"):
		return gauge("_seconds", 1000)
	case kind == "power":
		return gauge("_watt", 1e6)
	case kind == "humidity":
		return gauge("", 1e6)
	case kind == "fan" && (property == "input" || property == "min" || property == "max" || property == "target"):
		return gauge("_rpm", 1)
	}
	return gauge("", 1)
}

// hwmonName names a chip by where it sits, as platform_coretemp_0: its number changes with the order in which drivers
// are loaded. Without a device it is the driver's name for it, and at last its folder.
func (h *host) hwmonName(dir string) string {
	if device, err := os.Readlink(h.Sysfs + "/" + dir + "/device"); err == nil {
		if !path.IsAbs(device) {
			if here, err := os.Readlink(h.Sysfs + "/" + dir); err == nil {
				device = path.Join(h.Sysfs, path.Dir(dir), here, device)
			} else {
				device = path.Join(h.Sysfs, dir, device)
			}
		}
		bus, name := cleanName(path.Base(path.Dir(device))), cleanName(path.Base(device))
		if bus != "" && name != "" {
			return bus + "_" + name
		}
		if name != "" {
			return name
		}
	}
	if name := cleanName(h.sysText(dir + "/name")); name != "" {
		return name
	}
	return cleanName(path.Base(dir))
}

// cleanName makes a text fit for the name of a metric: lower case, other characters become _, none at its ends.
func cleanName(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == ':' {
			return r
		}
		return '_'
	}, strings.ToLower(s)), "_")
}
