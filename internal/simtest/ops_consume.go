package simtest

import (
	"context"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

func consume(by model.Ref, p model.Consume) op {
	return op{
		"Consume", by, given(p, p.Once),
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) { return w.Consume(by, now, p) },
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			asked := rentroll.ConsumeParams{TenantID: s.tenant(p.Tenant), IdempotencyKey: p.Once}
			for _, ev := range p.Items {
				in := s.usage(ev)
				asked.Items = append(asked.Items, rentroll.ConsumeItem{
					Meter: in.Meter, Amount: in.Amount, Unit: in.Unit, WorkerID: in.WorkerID, APIKeyID: in.APIKeyID, EventID: in.EventID,
					Metadata: in.Metadata,
				})
			}
			c, err := e.Consume(ctx, asked)
			if err != nil {
				return nil, err
			}
			return &model.ConsumptionView{
				Items: receiptView(&rentroll.UsageReceipt{Items: c.Items}).Items, Soft: c.OverSoftLimit, Quotas: quotaViews(c.Quotas), Replayed: c.Replayed,
			}, nil
		},
	}
}

func consumeOne(id model.Ref, meter string, amount int64) op {
	return consume(model.Program, model.Consume{Tenant: id, Items: []model.UsageEvent{{Meter: meter, Amount: amount}}})
}

// consumption is of one thing or several, mostly on meters that have limits.
func (g *generator) consumption() op {
	id := g.somewhere()
	p := model.Consume{Tenant: id, Once: g.once()}
	for range pick(g, []int{1, 1, 1, 1, 2, 3, 0}) {
		e := g.event(id)
		e.Time, e.Corrects, e.Run = time.Time{}, "", 0
		e.Amount = max(1, e.Amount, -e.Amount)
		if g.chance(70) {
			e.Meter = pick(g, []string{"emails", "emails", "calls", "storage.gb"})
			e.Unit = ""
		}
		if e.Meter == "calls" {
			e.Amount = 1
		}
		if g.chance(2) {
			e.Amount = -3
		}
		p.Items = append(p.Items, e)
	}
	if g.chance(10) && len(p.Items) > 0 {
		p.Items[0].EventID = fmt.Sprintf("event-%d", g.IntN(8))
	}
	by := g.someone(id)
	if p.Once != "" && g.chance(50) {
		g.plan1(consume(by, p))
	}
	return consume(by, p)
}
