package simtest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

func createKey(by model.Ref, p model.CreateKey) op {
	return op{
		"CreateAPIKey", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.CreateKey(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			secret, k, err := e.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{
				TenantID: s.tenant(p.Tenant), Name: p.Name, UserID: s.user(p.User), Permissions: p.Permissions,
				AllowedWorkers: p.AllowedWorkers, ExpiresInDays: p.Days, RateLimitRPM: p.RPM, MaxConcurrentRuns: p.MaxRuns,
				MaxTokensPerMonth: p.MaxTokens, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			if secret != "" {
				s.secrets[ref] = secret
			}
			s.named(ref, k.ID)
			return s.keyView(k), nil
		},
	}
}

func rotateKey(by model.Ref, p model.RotateKey) op {
	return op{
		"RotateAPIKey", by, given(p, p.Once),
		func(w *model.World, now time.Time, ref model.Ref) (any, *model.Refusal) {
			p := p
			p.Ref = ref
			return w.RotateKey(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, ref model.Ref) (any, error) {
			secret, k, err := e.RotateAPIKey(ctx, rentroll.RotateAPIKeyParams{
				TenantID: s.tenant(p.Tenant), KeyID: s.key(p.Key), Overlap: &p.Overlap, IdempotencyKey: p.Once,
			})
			if err != nil {
				return nil, err
			}
			if secret != "" {
				s.secrets[ref] = secret
			}
			s.named(ref, k.ID)
			return s.keyView(k), nil
		},
	}
}

// keyOf names a key of a tenant.
type keyOf struct{ Tenant, Key model.Ref }

func revokeKey(by model.Ref, k keyOf, reason string) op {
	return op{
		"RevokeAPIKey", by,
		struct {
			keyOf
			Reason string
		}{k, reason},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.RevokeKey(by, now, k.Tenant, k.Key, reason)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: s.tenant(k.Tenant), KeyID: s.key(k.Key), Reason: reason})
			if err != nil {
				return nil, err
			}
			return s.keyView(out), nil
		},
	}
}

func getKey(by model.Ref, k keyOf) op {
	return op{
		"GetAPIKey", by, k,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.GetKey(by, now, k.Tenant, k.Key)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.GetAPIKey(ctx, s.tenant(k.Tenant), s.key(k.Key))
			if err != nil {
				return nil, err
			}
			return s.keyView(out), nil
		},
	}
}

// question is what to verify of a key.
type question struct {
	Key                model.Ref
	Permission, Worker string
}

func verify(by model.Ref, q question) op {
	return op{
		"VerifyAPIKey", by, q,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.Verify(by, now, q.Key, q.Permission, q.Worker)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			v, err := e.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{
				Secret: s.secret(q.Key), Permission: rentroll.Permission(q.Permission), WorkerID: q.Worker,
			})
			if err != nil {
				return nil, err
			}
			if v.Code == "malformed" {
				v.Code = model.NotFound // of a key that was never made there is no secret
			}
			return s.verifyView(v), nil
		},
	}
}

// workerOf names a worker of a tenant.
type workerOf struct {
	Tenant model.Ref
	Worker string
}

func putWorker(by model.Ref, p workerOf, enabled bool) op {
	return op{
		"PutWorker", by,
		struct {
			workerOf
			Enabled bool
		}{p, enabled},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.PutWorker(by, now, p.Tenant, p.Worker, enabled)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.PutWorker(ctx, rentroll.PutWorkerParams{TenantID: s.tenant(p.Tenant), WorkerID: p.Worker, Enabled: enabled})
			if err != nil {
				return nil, err
			}
			return workerView(out), nil
		},
	}
}

func deleteWorker(by model.Ref, p workerOf) op {
	return op{
		"DeleteWorker", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.DeleteWorker(by, now, p.Tenant, p.Worker)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.DeleteWorker(ctx, s.tenant(p.Tenant), p.Worker)
		},
	}
}

func getQuotas(by, id model.Ref) op {
	return op{
		"GetQuotas", by, id,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.GetQuotas(by, now, id)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			rows, err := e.GetQuotas(ctx, s.tenant(id))
			return quotaViews(rows), err
		},
	}
}

func checkRun(by model.Ref, p workerOf) op {
	return op{
		"CheckRunQuota", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.CheckRun(by, now, p.Tenant, p.Worker)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			d, err := e.CheckRunQuota(ctx, s.tenant(p.Tenant), p.Worker)
			if err != nil {
				return nil, err
			}
			return decisionView(d), nil
		},
	}
}

func checkTokens(by, id model.Ref, n int64) op {
	return op{
		"CheckTokenQuota", by,
		struct {
			Tenant model.Ref
			Tokens int64
		}{id, n},
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.CheckTokens(by, now, id, n)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			d, err := e.CheckTokenQuota(ctx, s.tenant(id), n)
			if err != nil {
				return nil, err
			}
			return decisionView(d), nil
		},
	}
}
