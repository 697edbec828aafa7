package deviceconfig

import "testing"

func BenchmarkXML(b *testing.B) {
	connection, gateway, customer, routes := example()
	for b.Loop() {
		config, err := New(connection, gateway, customer, nil, routes)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := config.XML(); err != nil {
			b.Fatal(err)
		}
	}
}
