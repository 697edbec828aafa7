// Package model holds what AWS's service models say of the actions that we
// serve: the table types are here, the generated shapes of each service in a
// package of their own.
//
// The models are in spec, without prose; actions.txt names the actions whose
// shapes are generated.
package model

//go:generate go run causeway.dev/tools/apigen -spec spec -actions actions.txt -out .

// A Service is one of AWS's services, as its model describes it.
type Service struct {
	Name      string // the signing name: "ec2"
	Protocol  string // "ec2", "query" or "json"
	Version   string // the API version: "2016-11-15"
	Namespace string // of the XML in answers; "" in the JSON protocol

	// Of the JSON protocol only.
	JSONVersion string // "1.1"
	Target      string // what stands before ".Action" in X-Amz-Target: "Logs_20140328"

	// Actions are all actions that the model has, by name, also those whose
	// shapes are not generated.
	Actions map[string]Action
}

// An Action is an action of a service.
type Action struct {
	Name    string
	Area    string   // the part of the service that it belongs to: "Site-to-Site VPN"
	Tier    string   // "core" or "extended"
	Filters []string // the filter names that it takes, sorted
	DryRun  bool     // it takes DryRun
	Paged   bool     // it takes NextToken

	// IdempotencyToken is the input member for which clients make up a token
	// when the user gave none; "" if there is none.
	IdempotencyToken string

	// MaxResults is the range of the member of that name, both ends included;
	// zero if the model states none.
	MaxResults Range
}

// A Range is a range of numbers with both ends included.
type Range struct{ Min, Max int }
