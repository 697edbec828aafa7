resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "a" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_instance" "host" {
  ami           = var.image
  instance_type = "t3.micro"
  private_ip    = "10.0.1.12"
  subnet_id     = aws_subnet.a.id
}

resource "aws_eip" "host" {
  domain               = "vpc"
  instance             = aws_instance.host.id
  public_ipv4_pool     = "amazon"
  network_border_group = var.region
  depends_on           = [aws_internet_gateway.main]
}
