package httpapi

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
)

// importedKey is one key of another system as callers describe it.
type importedKey struct {
	SHA256            string          `json:"sha256" pattern:"^[0-9A-Fa-f]{64}$" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" doc:"Of the secret's text, in hex"`
	Name              string          `json:"name" minLength:"1" maxLength:"100" example:"production"`
	KeyPrefix         *string         `json:"key_prefix,omitempty" minLength:"1" maxLength:"12" example:"sk_live_4f2a" doc:"The start of the secret, to show"`
	UserID            rentroll.UserID `json:"user_id,omitempty" doc:"Whose key it is"`
	Permissions       []string        `json:"permissions,omitempty" minItems:"1" maxItems:"64" nullable:"false" example:"[\"run:*\",\"read:*\"]" doc:"Default run:* and read:*"`
	AllowedWorkers    []string        `json:"allowed_workers,omitempty" minItems:"1" maxItems:"1000" nullable:"false" doc:"Default all"`
	AllowedIPs        []string        `json:"allowed_ips,omitempty" minItems:"1" maxItems:"100" nullable:"false" doc:"Addresses and networks to use it from; default all"`
	RateLimitRPM      *int64          `json:"rate_limit_rpm,omitempty" minimum:"1" maximum:"1000000"`
	MaxConcurrentRuns *int64          `json:"max_concurrent_runs,omitempty" minimum:"0" maximum:"1000000000000"`
	MaxTokensPerMonth *int64          `json:"max_tokens_per_month,omitempty" minimum:"0" maximum:"1000000000000"`
	ExpiresAt         *time.Time      `json:"expires_at,omitempty" doc:"In the next 3,650 days; default never"`
}

type importAPIKeysBody struct {
	Keys []*importedKey `json:"keys" minItems:"1" maxItems:"500" nullable:"false"`
}

func importAPIKeys(c *call, _ *ofTenant, b *importAPIKeysBody) (*rentroll.ImportReceipt, error) {
	var bad fieldErrors
	p := rentroll.ImportAPIKeysParams{TenantID: c.tenant}
	for i, k := range b.Keys {
		if k == nil {
			bad.add(fmt.Sprintf("keys[%d]", i), "must be an object")
			continue
		}
		p.Keys = append(p.Keys, rentroll.ImportedKey{
			SHA256: k.SHA256, Name: k.Name, KeyPrefix: bad.word(fmt.Sprintf("keys[%d].key_prefix", i), k.KeyPrefix),
			UserID: k.UserID, Permissions: k.Permissions, AllowedWorkers: k.AllowedWorkers, AllowedIPs: k.AllowedIPs,
			RateLimitRPM: k.RateLimitRPM, MaxConcurrentRuns: k.MaxConcurrentRuns, MaxTokensPerMonth: k.MaxTokensPerMonth,
			ExpiresAt: k.ExpiresAt,
		})
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	return c.engine.ImportAPIKeys(c, p)
}
