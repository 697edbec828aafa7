resource "aws_acm_certificate" "web" {
  domain_name               = "alone.example.com"
  subject_alternative_names = ["www.alone.example.com", "*.alone.example.com"]
  validation_method         = "DNS"

  options {
    certificate_transparency_logging_preference = var.stage == "first" ? "DISABLED" : "ENABLED"
  }

  lifecycle { create_before_destroy = true }
}
