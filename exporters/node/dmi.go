package main

import "github.com/hearth-project/hearth/sdk/metric"

// dmiFields are files of /sys/class/dmi/id and, where they differ, the labels they become.
var dmiFields = []string{"bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial",
	"board_vendor", "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family",
	"product_name", "product_serial", "product_sku", "product_uuid", "product_version", "system_vendor"}

// collectDMI reports what the firmware says of the machine. Serial numbers are for root alone and often missing.
func collectDMI(h *host, w *metric.Writer) error {
	const dir = "class/dmi/id"
	if _, err := h.sysFolders(dir, ""); err != nil {
		return err
	}
	values := make([]string, len(dmiFields))
	for i, f := range dmiFields {
		if f == "system_vendor" {
			f = "sys_vendor"
		}
		values[i] = h.sysText(dir + "/" + f)
	}
	w.Gauge("node_dmi_info", "What the firmware says of the machine; always 1.", dmiFields...).Sample(1, values...)
	return nil
}
