// Package demo fills an empty database with a believable platform at work, and keeps it working: the stage on which
// somebody sees in a minute what Rentroll is about.
//
// All of it is made through the engine itself, with a clock that is first set back a month: tenants join, keys expire,
// runs are admitted, denied, completed and lost, and the numbers add up because the engine wrote them.
//
//	cast.go     who plays: tenants, workers, people
//	rhythm.go   when they work: office hours of their zones
//	fill.go     the month before now, tick by tick
//	story.go    what has to be there at the end: a tenant near its limit, one that is denied, one suspended
//	traffic.go  the hours after now, in real time
//
// What is made follows from a seed and the present time; ids and secrets do not: a key that anybody can compute would be
// an open door, even on a stage.
package demo
