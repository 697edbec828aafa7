resource "aws_eip" "mail" {}

resource "aws_eip_domain_name" "mail" {
  allocation_id = aws_eip.mail.allocation_id
  domain_name   = var.stage == "first" ? "mail.example.com" : "smtp.example.com"
}
