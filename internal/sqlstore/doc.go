// Package sqlstore is the one SQL core of all stores on SQL databases: every statement of Rentroll once, the mapping of
// rows, and the migrations. A database is a Dialect: it opens sessions and runs requests.
//
// The core never speaks to a driver. It hands a session a list of requests; each is a statement with the arguments of
// any number of rows, and a function for what comes back. A dialect is free in how it carries them out: one prepared
// statement stepped per row where the database is in the process, arrays and a pipeline where it is behind a wire.
package sqlstore
