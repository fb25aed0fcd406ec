// Package e2e tests the API with clients that others have written, against the program itself: the npm package cloudevents,
// run by Node in cloudevents.mjs. It needs Node and what package-lock.json names, and so is only built with the tag e2e: make
// e2e runs it.
package e2e
