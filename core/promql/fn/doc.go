// Package fn is the arithmetic of PromQL on columns of float64: functions over windows, on single values, on dates, on
// classic histograms, the binary operators, and the arithmetic of aggregations. It knows nothing of labels, plans of
// operators or limits; what series a column belongs to is the executor's business.
//
// A hole in a column is storage.Absent: no sample, or no result, at that row or step. Every result has the same bits
// as upstream's engine computes (v0.315.0): the order of operations is part of the contract, and where upstream relies
// on a product or sum being rounded before it is used, the code says float64(…) so that no compiler fuses it.
package fn
