package sqlstore

import "maps"

// Statements returns every statement of the core by its name, for tests that look at how a database carries them out.
func Statements() map[string]*Stmt {
	all := map[string]*Stmt{
		"addBatch": addBatch, "nameBatch": nameBatch, "findBatch": findBatch, "removeBatches": removeBatches,
		"planInUse": planInUse, "listOverdue": listOverdue, "listPlans": listPlans, "listTenants": listTenants, "listAccounts": listAccounts,
		"userByEmail": userByEmail, "listUsers": listUsers, "listUsersByEmail": listUsersByEmail,
		"listMembers": listMembers, "membershipsOfUser": membershipsOfUser,
		"keysByHash": keysByHash, "findHash": findHash, "hasDirectory": hasDirectory, "overdueKeys": overdueKeys,
		"countExpiredKeys": countExpiredKeys, "listKeys": listKeys, "listActiveKeys": listActiveKeys,
		"listExpiring": listExpiring, "listAllExpiring": listAllExpiring,
		"keysBeginning": keysBeginning, "keysBeginningOf": keysBeginningOf, "keysEnding": keysEnding, "keysEndingOf": keysEndingOf, "addKeyUse": addKeyUse,
		"operatorKeyByHash": operatorKeyByHash, "countOperatorKeys": countOperatorKeys,
		"listOperatorKeys": listOperatorKeys, "listActiveOperatorKeys": listActiveOperatorKeys,
		"overdueRuns": overdueRuns, "countOverdueRuns": countOverdueRuns, "listRuns": listRuns, "filterRuns": filterRuns,
		"filterRunsOf": filterRunsOf, "openRuns": openRuns, "openRunsOf": openRunsOf,
		"lastScanned": lastScanned, "loadPayload": loadPayload, "listWorkers": listWorkers,
		"listMeters": listMeters, "listPrices": listPrices, "addRollup": addRollup, "addPeak": addPeak, "removePeak": removePeak,
		"sumRollups": sumRollups, "hourParts": hourParts, "sumPeaks": sumPeaks, "sumEvents": sumEvents,
		"groupRollups": groupRollups, "groupHours": groupHours, "groupParts": groupParts, "groupPeaks": groupPeaks,
		"groupEvents": groupEvents, "groupEventsByWorker": groupEventsByWorker, "groupEventsByKey": groupEventsByKey,
		"groupEventsByKept": groupEventsByKept, "listPeaks": listPeaks, "listUsage": listUsage, "walkRuns": walkRuns, "sumDenials": sumDenials,
		"sumHeld": sumHeld, "countWorkers": countWorkers, "countOwners": countOwners, "countKeys": countKeys,
		"countRuns": countRuns, "countIncrements": countIncrements, "sumKeyTokens": sumKeyTokens,
		"listSubjectRuns": listSubjectRuns, "listSubjectTokens": listSubjectTokens, "listKeyUses": listKeyUses, "listSubjects": listSubjects, "openSubjects": openSubjects,
		"nextRollup": nextRollup, "nextPeak": nextPeak, "nextEvent": nextEvent, "sumBuckets": sumBuckets,
		"sumBucketsByWorker": sumBucketsByWorker, "sumBucketsByKey": sumBucketsByKey,
		"sumKept": sumKept, "nextKept": nextKept, "countKept": countKept, "nextDimension": nextDimension, "sumRecorded": sumRecorded, "sumCosts": sumCosts,
		"listMarks": listMarks, "unmarked": unmarked, "sumTaken": sumTaken, "sumCorrections": sumCorrections, "sumHeavy": sumHeavy, "listKept": listKept, "rolledMeters": rolledMeters, "rolledValues": rolledValues,
		"oldUsage": oldUsage, "oldCounts": oldCounts, "oldDenials": oldDenials, "oldRuns": oldRuns, "oldMarks": oldMarks,
		"oldOnce": oldOnce, "removeCount": removeCount, "removeMark": removeMark, "removeOnce": removeOnce, "markPruned": markPruned, "listPruned": listPruned,
		"listPeriods": listPeriods, "recentPeriods": recentPeriods, "keepPeriod": keepPeriod, "listDirectory": listDirectory,
		"listEvents": listEvents, "listAllEvents": listAllEvents,
		"listAudit": listAudit, "auditAfter": auditAfter, "listDenials": listDenials, "trimDenials": trimDenials, "addDenials": addDenials,
		"expiredSessions": expiredSessions, "addActivity": addActivity,
		"forgetActivity": forgetActivity, "listActivity": listActivity, "latestDenials": latestDenials, "listWaiting": listWaiting,
		"trimAudit": trimAudit, "listChores": listChores,
	}
	maps.Copy(all, purgeStatements())
	for name, t := range map[string]interface{ statements() map[string]*Stmt }{
		"accounts": accounts, "profiles": profiles, "plans": plans, "directory": directory, "users": users,
		"members": members, "keys": keys, "keyUses": keyUses, "subjects": subjects, "operatorKeys": operatorKeys, "runs": runs,
		"payloads": payloads, "workers": workers, "meters": meters, "prices": prices, "values": values, "usage": usage, "marks": marks, "periods": periods,
		"once": once, "audit": audit, "denials": denials, "events": events, "sessions": sessions,
		"checkpoints": checkpoints, "chores": chores,
	} {
		for action, stmt := range t.statements() {
			all[name+"."+action] = stmt
		}
	}
	maps.DeleteFunc(all, func(_ string, s *Stmt) bool { return s == nil })
	return all
}

// statements returns those of a table; some are nil.
func (t *table[K, R]) statements() map[string]*Stmt {
	return map[string]*Stmt{"insert": t.insert, "update": t.update, "remove": t.remove, "find": t.find}
}
