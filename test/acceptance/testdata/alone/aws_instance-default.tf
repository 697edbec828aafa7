# In the default VPC, as the first example of the documentation.
resource "aws_instance" "host" {
  ami           = var.image
  instance_type = "t3.micro"
}
