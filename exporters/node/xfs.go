package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// xfsLines are the lines of an XFS file system's stats file by their first word, with the metrics of their columns.
// Source: the kernel's fs/xfs/xfs_stats.h.
var xfsLines = map[string][]string{
	"extent_alloc": {"extent_allocation_extents_allocated", "extent_allocation_blocks_allocated", "extent_allocation_extents_freed",
		"extent_allocation_blocks_freed"},
	"abt": {"allocation_btree_lookups", "allocation_btree_compares", "allocation_btree_records_inserted",
		"allocation_btree_records_deleted"},
	"blk_map": {"block_mapping_reads", "block_mapping_writes", "block_mapping_unmaps", "block_mapping_extent_list_insertions",
		"block_mapping_extent_list_deletions", "block_mapping_extent_list_lookups", "block_mapping_extent_list_compares"},
	"bmbt": {"block_map_btree_lookups", "block_map_btree_compares", "block_map_btree_records_inserted",
		"block_map_btree_records_deleted"},
	"dir": {"directory_operation_lookup", "directory_operation_create", "directory_operation_remove", "directory_operation_getdents"},
	"ig": {"inode_operation_attempts", "inode_operation_found", "inode_operation_recycled", "inode_operation_missed",
		"inode_operation_duplicates", "inode_operation_reclaims", "inode_operation_attribute_changes"},
	"rw":     {"write_calls", "read_calls"},
	"vnodes": {"vnode_active", "vnode_allocate", "vnode_get", "vnode_hold", "vnode_release", "vnode_reclaim", "vnode_remove"},
}

// collectXFS reports what XFS counts of each of its file systems.
func collectXFS(h *host, w *metric.Writer) error {
	const dir = "fs/xfs"
	devices, _ := h.sysFolders(dir, "")
	for _, device := range devices {
		text, err := h.sysFile(dir + "/" + device + "/stats/stats")
		if err != nil {
			continue // the folder of all together: stats
		}
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) == 0 {
				continue
			}
			for i, name := range xfsLines[f[0]] {
				if i+1 >= len(f) {
					break
				}
				v, err := number(f[i+1])
				if err != nil {
					return fmt.Errorf("XFS of %s: %s: %w", device, f[0], err)
				}
				w.Counter("node_xfs_"+name+"_total", "XFS: "+strings.ReplaceAll(name, "_", " ")+".", "device").Sample(v, device)
			}
		}
	}
	return nil
}
