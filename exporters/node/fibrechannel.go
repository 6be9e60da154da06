package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// fcCounters are files of a port's statistics and the metrics they become. Numbers are hexadecimal with 0x; all bits
// set means that the adapter does not count this, which is no number here.
var fcCounters = [...]struct{ file, name string }{
	{"dumped_frames", "dumped_frames"}, {"error_frames", "error_frames"}, {"invalid_crc_count", "invalid_crc"},
	{"rx_frames", "rx_frames"}, {"rx_words", "rx_words"}, {"tx_frames", "tx_frames"}, {"tx_words", "tx_words"},
	{"seconds_since_last_reset", "seconds_since_last_reset"}, {"invalid_tx_word_count", "invalid_tx_words"},
	{"link_failure_count", "link_failure"}, {"loss_of_sync_count", "loss_of_sync"}, {"loss_of_signal_count", "loss_of_signal"},
	{"nos_count", "nos"}, {"fcp_packet_aborts", "fcp_packet_aborts"},
}

var fcInfo = []string{"fc_host", "speed", "port_state", "port_type", "port_id", "port_name", "fabric_name", "symbolic_name",
	"supported_classes", "supported_speeds", "dev_loss_tmo"}

// collectFibreChannel reports the ports of Fibre Channel adapters.
func collectFibreChannel(h *host, w *metric.Writer) error {
	const dir = "class/fc_host"
	hosts, err := h.sysFolders(dir, "")
	if err != nil {
		return err
	}
	info := w.Gauge("node_fibrechannel_info", "What is known of a port; always 1.", fcInfo...)
	for _, host := range hosts {
		at := dir + "/" + host + "/"
		values := []string{host}
		for _, f := range fcInfo[1:] {
			values = append(values, strings.TrimPrefix(h.sysText(at+f), "0x"))
		}
		info.Sample(1, values...)
		for _, c := range fcCounters {
			if v, ok := h.sysNumber(at + "statistics/" + c.file); ok {
				w.Counter("node_fibrechannel_"+c.name+"_total", "Fibre Channel: "+strings.ReplaceAll(c.name, "_", " ")+".", "fc_host").Sample(v, host)
			}
		}
	}
	return nil
}
