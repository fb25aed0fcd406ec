// Package e2e tests the console with a real browser: Chromium, driven by e2e.mjs, against the program itself with its
// demonstration platform, on both databases. It needs Node, Chromium and what package-lock.json names, and so is only built
// with the tag e2e: make e2e runs it.
package e2e
