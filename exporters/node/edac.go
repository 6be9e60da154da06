package main

import "github.com/hearth-project/hearth/sdk/metric"

// collectEDAC reports errors of memory that its controllers found, in all and by row of chips (csrow). Errors whose row
// is not known count for the row "unknown".
func collectEDAC(h *host, w *metric.Writer) error {
	const dir = "devices/system/edac/mc"
	controllers, _ := h.sysFolders(dir, "mc")
	for _, c := range controllers {
		at := dir + "/mc" + c
		rows, err := h.sysFolders(at, "csrow")
		if err != nil {
			return err
		}
		for _, k := range []struct{ file, name, what string }{
			{"ce", "correctable", "corrected"}, {"ue", "uncorrectable", "that could not be corrected"},
		} {
			total := w.Counter("node_edac_"+k.name+"_errors_total", "Errors of memory "+k.what+".", "controller")
			byRow := w.Counter("node_edac_csrow_"+k.name+"_errors_total", "Errors of memory "+k.what+", by row.", "controller", "csrow")
			if v, ok := h.sysNumber(at + "/" + k.file + "_count"); ok {
				total.Sample(v, c)
			}
			if v, ok := h.sysNumber(at + "/" + k.file + "_noinfo_count"); ok {
				byRow.Sample(v, c, "unknown")
			}
			for _, row := range rows {
				if v, ok := h.sysNumber(at + "/csrow" + row + "/" + k.file + "_count"); ok {
					byRow.Sample(v, c, row)
				}
			}
		}
	}
	return nil
}
