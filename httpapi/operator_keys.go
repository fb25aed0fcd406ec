package httpapi

import "github.com/rentroll/rentroll"

const (
	aboutOperatorKeys   = "`secret` is shown in this one answer and stored nowhere. Without `permissions` the key may do everything; nobody makes a key that may do more, or lives longer, than the calling one. The name is how the audit calls who uses the key: no two good keys share it. The ETag is the key's."
	aboutRevokeOperator = "Revoking again changes nothing: the first reason stays. Unless the server's configuration gives a key, one that may do everything has to remain."
)

type createOperatorKeyBody struct {
	Name          string   `json:"name" minLength:"1" maxLength:"100" example:"support" doc:"How the audit calls who uses the key"`
	Permissions   []string `json:"permissions,omitempty" minItems:"1" maxItems:"64" nullable:"false" example:"[\"read:*\",\"tenant:manage\"]" doc:"Default everything"`
	ExpiresInDays *int64   `json:"expires_in_days,omitempty" minimum:"1" maximum:"3650" example:"90" doc:"Default never"`
}

// operatorKeyWithSecret is the one answer that shows an operator's secret.
type operatorKeyWithSecret struct {
	Secret      rentroll.NullString   `json:"secret"`
	OperatorKey *rentroll.OperatorKey `json:"operator_key"`
}

func createOperatorKey(c *call, p *once, b *createOperatorKeyBody) (*operatorKeyWithSecret, error) {
	var bad fieldErrors
	days := bad.number("expires_in_days", b.ExpiresInDays, 1, maxExpiryDays)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	secret, key, err := c.engine.CreateOperatorKey(c, rentroll.CreateOperatorKeyParams{
		Name: b.Name, Permissions: b.Permissions, ExpiresInDays: int(days), IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed, c.object, c.location = key.Replayed, key, "/v1/operator-keys/"+key.ID.String()
	return &operatorKeyWithSecret{rentroll.NullString(secret), key}, nil
}

type listOperatorKeysParams struct {
	IncludeRevoked bool   `query:"include_revoked"`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor         string `query:"cursor"`
}

func listOperatorKeys(c *call, p *listOperatorKeysParams, _ *none) (*rentroll.List[*rentroll.OperatorKey], error) {
	return c.engine.ListOperatorKeys(c, rentroll.ListOperatorKeysParams{
		IncludeRevoked: p.IncludeRevoked, Page: pageOf(p.Limit, p.Cursor),
	})
}

type ofOperatorKey struct {
	Key string `path:"key"`
}

func getOperatorKey(c *call, p *ofOperatorKey, _ *none) (*rentroll.OperatorKey, error) {
	id, err := rentroll.ParseOperatorKeyID(p.Key)
	if err != nil {
		return nil, notFound("operator key")
	}
	return c.engine.GetOperatorKey(c, id)
}

func revokeOperatorKey(c *call, p *ofOperatorKey, b *reasonBody) (*rentroll.OperatorKey, error) {
	id, err := rentroll.ParseOperatorKeyID(p.Key)
	if err != nil {
		return nil, notFound("operator key")
	}
	return c.engine.RevokeOperatorKey(c, rentroll.RevokeOperatorKeyParams{KeyID: id, Reason: b.Reason})
}
