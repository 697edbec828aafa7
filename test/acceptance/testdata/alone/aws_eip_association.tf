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
  subnet_id     = aws_subnet.a.id
}

resource "aws_network_interface" "main" {
  subnet_id = aws_subnet.a.id
}

resource "aws_eip" "one" {
  depends_on = [aws_internet_gateway.main]
}

resource "aws_eip" "two" {
  depends_on = [aws_internet_gateway.main]
}

resource "aws_eip_association" "instance" {
  instance_id   = aws_instance.host.id
  allocation_id = aws_eip.one.id
}

resource "aws_eip_association" "interface" {
  network_interface_id = aws_network_interface.main.id
  public_ip            = aws_eip.two.public_ip
}
