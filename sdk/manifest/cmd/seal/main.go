// Command seal writes the sha256 of the artifacts in a plugin's folder into the hearth-plugin.toml there.
//
//	go run ./sdk/manifest/cmd/seal DIR...
package main

import (
	"fmt"
	"os"

	"github.com/hearth-project/hearth/sdk/manifest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: seal DIR...")
		os.Exit(2)
	}
	for _, dir := range os.Args[1:] {
		if err := manifest.Seal(dir); err != nil {
			fmt.Fprintln(os.Stderr, "seal:", err)
			os.Exit(1)
		}
	}
}
