// Command anomaly adds functions to PromQL that tell how far the newest sample of a series is from those before it.
package main

import "github.com/hearth-project/hearth/sdk"

func init() {
	for name, f := range functions {
		sdk.RegisterFunction(name, f)
	}
}

func main() { sdk.Main() }
