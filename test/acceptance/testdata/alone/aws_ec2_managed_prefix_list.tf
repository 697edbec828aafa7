resource "aws_ec2_managed_prefix_list" "ipv4" {
  name           = "all of the ${var.stage}"
  address_family = "IPv4"
  max_entries    = 5

  entry {
    cidr        = "10.1.0.0/16"
    description = "primary"
  }

  entry {
    cidr = var.stage == "first" ? "10.2.0.0/16" : "10.3.0.0/16"
  }
}

resource "aws_ec2_managed_prefix_list" "ipv6" {
  name           = "ipv6"
  address_family = "IPv6"
  max_entries    = var.stage == "first" ? 2 : 3

  entry {
    cidr = "2001:db8::/32"
  }
}
