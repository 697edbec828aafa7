package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"causeway.dev/api/model"
)

// Coverage is a page in Markdown that says which actions of each service are
// built, by the parts of the service.
func Coverage(services ...Service) string {
	var b strings.Builder
	b.WriteString("# API coverage\n\n")
	b.WriteString("Generated from the tables of the services. **Bold** actions are built; the others answer\n")
	b.WriteString("`UnsupportedOperation`, and what AWS does not have answers `InvalidAction`; in services whose protocol\n")
	b.WriteString("is JSON these are called `UnsupportedOperationException` and `UnknownOperationException`.\n")
	for _, s := range services {
		fmt.Fprintf(&b, "\n## %s (version %s)\n", s.Model.Name, s.Model.Version)
		fmt.Fprintf(&b, "\n%d of %d actions.\n", len(s.Actions), len(s.Model.Actions))
		b.WriteString("\n| Area | Built | Core | Extended |\n|---|---|---|---|\n")
		areas := areasOf(s.Model)
		for _, area := range slices.Sorted(maps.Keys(areas)) {
			s.writeArea(&b, area, areas[area])
		}
	}
	return b.String()
}

func areasOf(m model.Service) map[string][]model.Action {
	areas := map[string][]model.Action{}
	for _, name := range slices.Sorted(maps.Keys(m.Actions)) {
		a := m.Actions[name]
		areas[a.Area] = append(areas[a.Area], a)
	}
	return areas
}

func (s Service) writeArea(b *strings.Builder, area string, actions []model.Action) {
	built := 0
	tiers := map[string][]string{}
	for _, a := range actions {
		name := a.Name
		if _, ok := s.Actions[name]; ok {
			built++
			name = "**" + name + "**"
		}
		tiers[a.Tier] = append(tiers[a.Tier], name)
	}
	fmt.Fprintf(b, "| %s | %d of %d | %s | %s |\n", area, built, len(actions),
		strings.Join(tiers["core"], ", "), strings.Join(tiers["extended"], ", "))
}
