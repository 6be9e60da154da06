// Package facet keeps samples that are more than a number as several numbers. A native histogram is a row of
// counts, and so its series is stored as columns beside each other: one a bucket, one for the sum, and so on. Such a
// column is a facet of the series: a series of the database like any other, with the labels of the visible one and
// one more, Name, whose value says which facet it is. All that the database does with columns (rows, log, tiles,
// parts, merges, deletion, retention) it does with facets; only what comes in from senders and what goes out to
// readers knows of them.
//
//	k       schema + 128, + 256 × counter reset hint, + 1024 if the counts are floats; a row has a histogram if and
//	        only if it has this
//	s       sum of the observations
//	c       number of observations, where it is not the sum of all buckets
//	z, t    count and threshold of the zero bucket; absent for 0
//	+N, -N  count of the positive, the negative bucket of index N
//	bN      upper bound N of custom buckets
//	hX      what an integer count in facet X has above 53 bits, times 2^-53; X has the rest
//	0       start timestamp, Unix milliseconds; beside a histogram or a float
package facet

// Name is the name of the label that tells the facets of a series apart. It is no valid UTF-8, so that no label of a
// user's has it and no selector can ask for it, and sorts after all names that are.
const Name = "\xff"
