//go:build race

package simtest_test

// everydayHistories are few under the race detector: it makes SQLite ten times slower, and a history has but one caller.
const everydayHistories = 8
