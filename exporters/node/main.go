// Command node is the exporter for the host hearth runs on: CPU, memory, file systems, disks, network, processes and
// what else the kernel tells in /proc and /sys. Names, labels and types are those of Prometheus' node_exporter, so
// that dashboards and rules made for it work.
package main

import "github.com/hearth-project/hearth/sdk"

func init() { sdk.RegisterExporter(&exporter{}) }

func main() { sdk.Main() }
