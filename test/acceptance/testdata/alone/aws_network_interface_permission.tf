resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_interface" "main" {
  subnet_id = aws_subnet.main.id
}

resource "aws_network_interface_permission" "main" {
  network_interface_id = aws_network_interface.main.id
  aws_account_id       = "210987654321"
  permission           = "INSTANCE-ATTACH"
}
