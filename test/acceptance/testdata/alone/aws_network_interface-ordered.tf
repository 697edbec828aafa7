resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_network_interface" "ordered" {
  subnet_id               = aws_subnet.a.id
  private_ip_list_enabled = true
  private_ip_list         = var.stage == "first" ? ["10.0.1.52", "10.0.1.51"] : ["10.0.1.52", "10.0.1.51", "10.0.1.53"]

  lifecycle { ignore_changes = [private_ips, private_ips_count] }
}
