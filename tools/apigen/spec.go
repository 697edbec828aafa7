package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// A spec is a service model in AWS's JSON form, with the members "area", "tier"
// and "filters" that our copies add to operations.
type spec struct {
	Metadata struct {
		APIVersion     string
		EndpointPrefix string
		SigningName    string // the endpoint prefix if empty
		Protocol       string
		XMLNamespace   string
		TargetPrefix   string // of the JSON protocol: what stands before an action's name in X-Amz-Target
		JSONVersion    string // of the JSON protocol: "1.1"
	}
	Operations map[string]operation
	Shapes     map[string]*shape
}

type operation struct {
	Area    string
	Tier    string
	Filters []string
	Input   shapeRef
	Output  shapeRef // no shape: the action only succeeds
}

// A shapeRef is the use of a shape as a member, as an item, or as input and
// output.
type shapeRef struct {
	Shape            string
	LocationName     string
	QueryName        string
	IdempotencyToken bool
}

type shape struct {
	Type      string
	Members   map[string]shapeRef // of a structure
	Required  []string            // of a structure
	Member    shapeRef            // of a list
	Key       shapeRef            // of a map
	Value     shapeRef            // of a map
	Enum      []string            // of a string
	Min, Max  *float64            // value of a number, length of a string, list or map
	Sensitive bool
}

// readSpec reads a service model.
func readSpec(path string) (*spec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	return &s, nil
}

// at returns the shape of that name.
func (s *spec) at(name string) (*shape, error) {
	sh, ok := s.Shapes[name]
	if !ok {
		return nil, fmt.Errorf("shape %q is used but not in the model", name)
	}
	return sh, nil
}

// reach adds to seen the shapes that name is made of, itself included.
func (s *spec) reach(name string, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	sh, err := s.at(name)
	if err != nil {
		return err
	}
	seen[name] = true
	switch sh.Type {
	case "list":
		return s.reach(sh.Member.Shape, seen)
	case "map":
		return errors.Join(s.reach(sh.Key.Shape, seen), s.reach(sh.Value.Shape, seen))
	}
	for _, m := range sh.Members {
		if err := s.reach(m.Shape, seen); err != nil {
			return err
		}
	}
	return nil
}
