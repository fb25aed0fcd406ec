package rentroll_test

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// An operator's key with permissions does what they allow, in every tenant, and hands on no more.
func ExampleEngine_CreateOperatorKey() {
	ctx, engine, closeEngine := open()
	defer closeEngine()
	secret, key, err := engine.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{
		Name: "support", Permissions: []string{"read:*", "operator:manage"}, ExpiresInDays: 90,
	})
	must(err)
	actor, err := engine.Authenticate(ctx, secret)
	must(err)
	support := engine.As(actor)
	_, err = support.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
	fmt.Println(err)
	_, _, err = support.CreateOperatorKey(ctx, rentroll.CreateOperatorKeyParams{Name: "everything", ExpiresInDays: 90})
	fmt.Println(errors.Is(err, rentroll.CodeForbidden))
	fmt.Println(actor, key.ExpiresAt.Format("2006-01-02"))
	// Output:
	// forbidden: the operator key lacks the permission tenant:manage
	// true
	// operator:support 2027-02-21
}

// A platform's front end acts for who has signed in: the user's role in the tenant decides.
func ExampleEngine_ForUser() {
	ctx, engine, closeEngine := open()
	defer closeEngine()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	ada := value(engine.CreateUser(ctx, rentroll.CreateUserParams{Email: "ada@acme.example", ExternalID: "user_2bYm"}))
	value(engine.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: tenant.ID, UserID: ada.ID, Role: rentroll.RoleViewer}))

	asAda := value(engine.ForUser(ctx, tenant.ID, "external:user_2bYm"))
	runs := value(asAda.ListRuns(ctx, rentroll.ListRunsParams{TenantID: tenant.ID}))
	_, err := asAda.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "Write a plan"})
	fmt.Println(len(runs.Items), err)
	// Output:
	// 0 forbidden: the user lacks the permission run:create
}

// Two people edit the same plan; who comes second is told, and overwrites nothing.
func ExampleEngine_If() {
	ctx, engine, closeEngine := open()
	defer closeEngine()
	read, _, err := engine.PutPlan(ctx, rentroll.PutPlanParams{Name: "team", Limits: quota.Limits{quota.Workers: quota.Of(5)}})
	must(err)
	asRead := engine.If(func(object any) bool { return reflect.DeepEqual(object, read) })
	for _, workers := range []int64{10, 20} {
		_, _, err = asRead.PutPlan(ctx, rentroll.PutPlanParams{Name: "team", Limits: quota.Limits{quota.Workers: quota.Of(workers)}})
		fmt.Println(workers, errors.Is(err, rentroll.CodePreconditionFailed))
	}
	_, err = asRead.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
	fmt.Println(err)
	// Output:
	// 10 false
	// 20 true
	// malformed_request: the operation is no change of one object, of which anything could hold
}
