// Command command is a plugin of level 0: it prints its result.
package main

import (
	"fmt"
	"os"
)

func main() {
	switch os.Args[1] {
	case "describe":
		fmt.Println(`{"abi": "1.0", "kinds": ["exporter"]}`)
	case "collect":
		fmt.Print("# HELP command_value A value.\n# TYPE command_value gauge\ncommand_value 1\n")
	default:
		fmt.Fprintln(os.Stderr, "no such operation")
		os.Exit(1)
	}
}
