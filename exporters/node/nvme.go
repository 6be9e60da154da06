package main

import "github.com/hearth-project/hearth/sdk/metric"

// collectNVMe reports which NVMe controllers there are.
func collectNVMe(h *host, w *metric.Writer) error {
	const dir = "class/nvme"
	devices, err := h.sysFolders(dir, "")
	if err != nil {
		return err
	}
	info := w.Gauge("node_nvme_info", "What is known of an NVMe controller; always 1.", "device", "firmware_revision", "model", "serial", "state")
	for _, d := range devices {
		at := dir + "/" + d + "/"
		info.Sample(1, d, h.sysText(at+"firmware_rev"), h.sysText(at+"model"), h.sysText(at+"serial"), h.sysText(at+"state"))
	}
	return nil
}
