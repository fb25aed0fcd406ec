//go:build !race

package simtest_test

// everydayHistories are enough for every outcome in met.
const everydayHistories = 200
