// Package quota is the arithmetic of limits and periods.
//
// A quota is one of the things that a tenant may use up ([Definitions]).
// A [Limit] is a maximum on one of them: it comes from the tenant's plan, or
// from an override for that tenant until the override ends ([Effective]).
// What is counted against a limit is a gauge, which never rolls over, or a
// counter, which belongs to a [Period] of the tenant:
//
//	stored period            [ 9 March        )
//	now                                          x
//	Advance                                  [ 10 March       )     a counter starts again at zero
//
// Nothing resets a counter and no job runs: whoever reads or writes it calls
// [Advance] first, and if the period changed, the counter is zero.
//
// The promises:
//
//   - Pure. No context, no clock, no I/O but the reading of zone data in
//     [LoadZone]: the same arguments give the same answer on every server that
//     has the same zone data. A program should embed it (import _ "time/tzdata").
//   - Periods tile time. Each begins where the one before it ended, in every
//     time zone, over every change of clocks or of the zone itself; no clock
//     that steps back brings an ended period back. [Advance] leaves a gap only
//     where whole periods went by unseen.
//   - Nothing overflows. Limits are at most [MaxLimit], and comparisons are
//     written so that sums are never formed.
//   - JSON is strict. A limit that decodes is a limit that means what it says.
package quota
