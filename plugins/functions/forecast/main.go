// Command forecast adds functions to PromQL that tell where a series is going, and how sure that is.
package main

import "github.com/hearth-project/hearth/sdk"

func init() {
	for name, f := range functions {
		sdk.RegisterFunction(name, f)
	}
}

func main() { sdk.Main() }
