// Command slo adds functions to PromQL for service level objectives: burn rates and budgets of errors.
package main

import "github.com/hearth-project/hearth/sdk"

func init() {
	for name, f := range functions {
		sdk.RegisterFunction(name, f)
	}
}

func main() { sdk.Main() }
