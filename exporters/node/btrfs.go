package main

import "github.com/hearth-project/hearth/sdk/metric"

// collectBtrfs reports the space of Btrfs file systems as the kernel allots it. Errors of devices are not among it:
// the kernel tells them by a system call on the mount point alone.
func collectBtrfs(h *host, w *metric.Writer) error {
	const dir = "fs/btrfs"
	all, _ := h.sysFolders(dir, "")
	info := w.Gauge("node_btrfs_info", "What is known of a file system; always 1.", "uuid", "label")
	reserve := w.Gauge("node_btrfs_global_rsv_size_bytes", "Size of the global reserve.", "uuid")
	reserved := w.Gauge("node_btrfs_reserved_bytes", "Space reserved for a kind of data.", "uuid", "block_group_type")
	used := w.Gauge("node_btrfs_used_bytes", "Space used by a kind of data in a layout.", "uuid", "block_group_type", "mode")
	size := w.Gauge("node_btrfs_size_bytes", "Space allotted to a kind of data in a layout.", "uuid", "block_group_type", "mode")
	ratio := w.Gauge("node_btrfs_allocation_ratio", "Bytes on disks for each byte of a kind of data.", "uuid", "block_group_type", "mode")
	deviceSize := w.Gauge("node_btrfs_device_size_bytes", "Size of a device of the file system.", "uuid", "device")
	for _, uuid := range all {
		at := dir + "/" + uuid
		rsv, ok := h.sysNumber(at + "/allocation/global_rsv_size")
		if !ok {
			continue // features: not a file system
		}
		info.Sample(1, uuid, h.sysText(at+"/label"))
		reserve.Sample(rsv, uuid)
		devices, _ := h.sysFolders(at+"/devices", "")
		for _, d := range devices {
			if sectors, ok := h.sysNumber(at + "/devices/" + d + "/size"); ok {
				deviceSize.Sample(sectors*sectorSize, uuid, d)
			}
		}
		for _, kind := range []string{"data", "metadata", "system"} {
			group := at + "/allocation/" + kind
			if v, ok := h.sysNumber(group + "/bytes_reserved"); ok {
				reserved.Sample(v, uuid, kind)
			}
			modes, _ := h.sysFolders(group, "")
			for _, mode := range modes {
				r, ok := btrfsRatio(mode, float64(len(devices)))
				total, there := h.sysNumber(group + "/" + mode + "/total_bytes")
				if !ok || !there {
					continue // a file, or a layout to come
				}
				size.Sample(total, uuid, kind, mode)
				ratio.Sample(r, uuid, kind, mode)
				if v, ok := h.sysNumber(group + "/" + mode + "/used_bytes"); ok {
					used.Sample(v, uuid, kind, mode)
				}
			}
		}
	}
	return nil
}

// btrfsRatio returns how many bytes a layout takes on n devices for each one of data.
func btrfsRatio(mode string, n float64) (float64, bool) {
	switch mode {
	case "single", "raid0":
		return 1, true
	case "dup", "raid1", "raid10":
		return 2, true
	case "raid1c3":
		return 3, true
	case "raid1c4":
		return 4, true
	case "raid5":
		return n / (n - 1), n > 1
	case "raid6":
		return n / (n - 2), n > 2
	}
	return 0, false
}
