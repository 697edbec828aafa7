resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_nat_gateway" "listed" {
  connectivity_type              = "private"
  subnet_id                      = aws_subnet.a.id
  secondary_private_ip_addresses = var.stage == "first" ? ["10.0.1.200"] : ["10.0.1.201", "10.0.1.202"]
}

resource "aws_nat_gateway" "counted" {
  connectivity_type                  = "private"
  subnet_id                          = aws_subnet.a.id
  secondary_private_ip_address_count = 7
}
