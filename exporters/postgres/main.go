// Command postgres is the exporter for PostgreSQL: connections, transactions, locks, tables, replication, write-ahead log
// and settings of a server, and what SQL of the operator's own finds. Names, labels and types are those of Prometheus'
// postgres_exporter, so that dashboards and rules made for it work.
package main

import "github.com/hearth-project/hearth/sdk"

func init() { sdk.RegisterExporter(&exporter{}) }

func main() { sdk.Main() }
