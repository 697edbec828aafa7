resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  assign_generated_ipv6_cidr_block = true
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_vpn_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_egress_only_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_network_interface" "one" {
  subnet_id = aws_subnet.a.id
}

resource "aws_network_interface" "two" {
  subnet_id = aws_subnet.a.id
}

resource "aws_ec2_managed_prefix_list" "sites" {
  name           = "sites"
  address_family = "IPv4"
  max_entries    = 1

  entry {
    cidr = "198.51.100.0/24"
  }
}

resource "aws_route_table" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route" "internet_ipv6" {
  route_table_id              = aws_route_table.main.id
  destination_ipv6_cidr_block = "2001:db8::/32"
  gateway_id                  = aws_internet_gateway.main.id
}

resource "aws_route" "egress" {
  route_table_id              = aws_route_table.main.id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.main.id
}

resource "aws_route" "vpn" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "172.16.0.0/12"
  gateway_id             = aws_vpn_gateway.main.id
}

resource "aws_route" "interface" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "192.168.0.0/16"
  network_interface_id   = var.stage == "first" ? aws_network_interface.one.id : aws_network_interface.two.id
}

resource "aws_route" "list" {
  route_table_id             = aws_route_table.main.id
  destination_prefix_list_id = aws_ec2_managed_prefix_list.sites.id
  gateway_id                 = var.stage == "first" ? aws_internet_gateway.main.id : aws_vpn_gateway.main.id
}
