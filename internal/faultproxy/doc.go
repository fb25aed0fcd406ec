// Package faultproxy stands between a program and its PostgreSQL and breaks their connections as a test wants it: now,
// at a statement, or for as long as it lasts.
//
//	Cut      all connections end, at once
//	Refuse   new connections end before they are made; Accept takes them again
//	Hold     nothing comes through, in neither direction, and nothing ends: a network that lost a route; Release lets
//	         everything through that waits
//	Strand   the connections that are open now hear nothing of each other any more, while new ones work: a server or a
//	         client that vanished without a word. The server's end stays open, with all that its session has locked
//	Delay    everything arrives later
//	Watch    a hook sees every statement before the server does, and says what becomes of it
//
// To know the statements it follows the protocol a little: Query, and Parse, Bind and Execute, also in a pipeline and by
// the name of a prepared statement. So a connection can be cut at a COMMIT, before the server has got it, or when the
// server has answered and the client does not know; that a statement commits is what [Statement.Commits] says.
//
// Connections are not encrypted: a client that asks for it is told no.
package faultproxy
