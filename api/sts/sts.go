// Package sts tells callers who they are.
package sts

import (
	"context"

	model "causeway.dev/api/model/sts"
	"causeway.dev/api/server"
)

// Service is the part of STS that is built. It needs no state: what it tells
// stands in the caller's access key.
func Service() server.Service {
	return server.Service{
		Model:  model.Service,
		Global: true,
		Actions: map[string]server.Handler{
			"GetCallerIdentity": server.Operation(getCallerIdentity),
		},
	}
}

func getCallerIdentity(_ context.Context, c server.Caller, _ *model.GetCallerIdentityInput) (*model.GetCallerIdentityOutput, error) {
	return &model.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}
