resource "aws_acm_certificate" "web" {
  domain_name       = "validated.example.com"
  validation_method = "DNS"
}

resource "aws_acm_certificate_validation" "web" {
  certificate_arn         = aws_acm_certificate.web.arn
  validation_record_fqdns = [for option in aws_acm_certificate.web.domain_validation_options : option.resource_record_name]
}
