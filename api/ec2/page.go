package ec2

import (
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	apimodel "causeway.dev/api/model"
	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

// maxResultsUsual is the range of MaxResults where the model states none.
var maxResultsUsual = apimodel.Range{Min: 5, Max: 1000}

// A page is the part of a sorted list that one answer shows.
type page struct {
	action string
	after  string // the key of the last item before this page
	size   int    // 0: all that is left
}

// newPage reads the members of a Describe that ask for a page. AWS refuses
// MaxResults together with ids.
func newPage(action string, maxResults *int32, nextToken *string, ids []string) (page, error) {
	p := page{action: action}
	if maxResults != nil {
		if len(ids) > 0 {
			return p, resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter MaxResults cannot be used together with ids")
		}
		limits := model.Actions[action].MaxResults
		if limits == (apimodel.Range{}) {
			limits = maxResultsUsual
		}
		p.size = int(*maxResults)
		if p.size < limits.Min || p.size > limits.Max {
			return p, resource.Errorf(resource.CodeInvalidParameterValue, "Value (%d) for parameter MaxResults is invalid. It must be between %d and %d", p.size, limits.Min, limits.Max)
		}
	}
	if val(nextToken) != "" {
		decoded, err := base64.RawURLEncoding.DecodeString(*nextToken)
		of, after, ok := strings.Cut(string(decoded), "\x00")
		if err != nil || !ok || of != action {
			return p, resource.Errorf(resource.CodeInvalidNextToken, "The NextToken is not one that %s gave", action)
		}
		p.after = after
	}
	return p, nil
}

// take returns the page's items of a list that is sorted by key, and the token
// for the next page if there is one. Since the token is a key, what is created
// or deleted between two pages moves nothing else into or out of them.
func take[T any](p page, all iter.Seq[T], key func(*T) string) (items []T, nextToken *string) {
	last := ""
	for v := range all {
		k := key(&v)
		if k <= p.after && p.after != "" {
			continue
		}
		if p.size > 0 && len(items) == p.size {
			return items, str(base64.RawURLEncoding.EncodeToString([]byte(p.action + "\x00" + last)))
		}
		items, last = append(items, v), k
	}
	return items, nil
}

// A query is what all Describes have in common.
type query struct {
	action     string
	dryRun     *bool
	ids        []string
	filters    []model.Filter
	maxResults *int32
	nextToken  *string
}

// describe answers a query about a noun: the records of the page, sorted by id.
func describe[T any](r reader, n *noun[T], f fields[T], q query) (items []T, nextToken *string, err error) {
	chosen, err := f.compile(q.action, q.filters)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPage(q.action, q.maxResults, q.nextToken, q.ids)
	if err != nil {
		return nil, nil, err
	}
	all, err := n.selected(r, q.ids, chosen)
	if err != nil {
		return nil, nil, err
	}
	if err := checkDryRun(q.dryRun); err != nil {
		return nil, nil, err
	}
	items, nextToken = take(p, all, func(v *T) string { return metaOf(v).ID })
	return items, nextToken, nil
}

// list answers a query about what is no noun's record: the items of the page, sorted by
// key. all finds those among which the filters choose, and says what is wrong with the
// query's ids.
func list[T any](r reader, f fields[T], q query, key func(*T) string, all func() ([]T, error)) (items []T, nextToken *string, err error) {
	chosen, err := f.compile(q.action, q.filters)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPage(q.action, q.maxResults, q.nextToken, q.ids)
	if err != nil {
		return nil, nil, err
	}
	found, err := all()
	if err != nil {
		return nil, nil, err
	}
	if err := checkDryRun(q.dryRun); err != nil {
		return nil, nil, err
	}
	sorted := slices.SortedFunc(slices.Values(found), func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	items, nextToken = take(p, chosen.filter(r, slices.Values(sorted)), key)
	return items, nextToken, nil
}
