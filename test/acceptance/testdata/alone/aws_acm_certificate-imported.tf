# Made for this test, and used nowhere else.
locals {
  key = <<-EOT
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWaZkBJvKozCw+4cD
    GAKMn1uNEVcLMSv+GI9oLDHlR9ehRANCAATqPEP3ImpFhJOAr1twixQjgBhWj/X3
    FXzwQkNbf/bD8NRwPsqatMuJitge4xQnaMOOQT6unbBV5QdwfOY4Cuae
    -----END PRIVATE KEY-----
  EOT

  certificate_1 = <<-EOT
    -----BEGIN CERTIFICATE-----
    MIIBtzCCAVygAwIBAgIUfZVoqHaJJAwl0ENbik/G66RuHkIwCgYIKoZIzj0EAwIw
    HzEdMBsGA1UEAwwUaW1wb3J0ZWQuZXhhbXBsZS5jb20wIBcNMjYxMTIzMDUwMjQz
    WhgPMjEyNjEwMzAwNTAyNDNaMB8xHTAbBgNVBAMMFGltcG9ydGVkLmV4YW1wbGUu
    Y29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6jxD9yJqRYSTgK9bcIsUI4AY
    Vo/19xV88EJDW3/2w/DUcD7KmrTLiYrYHuMUJ2jDjkE+rp2wVeUHcHzmOArmnqN0
    MHIwHQYDVR0OBBYEFMgD0udNeSB5q2km/wVrJD34wscUMB8GA1UdIwQYMBaAFMgD
    0udNeSB5q2km/wVrJD34wscUMA8GA1UdEwEB/wQFMAMBAf8wHwYDVR0RBBgwFoIU
    aW1wb3J0ZWQuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSQAwRgIhAJawhIKqFZUv
    VqBcgkyJl8KLyikcKI+PBkcV7udyI5MgAiEAuRWXcMzy2wf2piRz2mqxYebkmS05
    XSPz92IgNDscSCE=
    -----END CERTIFICATE-----
  EOT

  certificate_2 = <<-EOT
    -----BEGIN CERTIFICATE-----
    MIIBtjCCAVygAwIBAgIURhjlmWHEzwW58T2Goj/L34d2p4EwCgYIKoZIzj0EAwIw
    HzEdMBsGA1UEAwwUaW1wb3J0ZWQuZXhhbXBsZS5jb20wIBcNMjYxMTIzMDUwMjQz
    WhgPMjEyNjA3MjIwNTAyNDNaMB8xHTAbBgNVBAMMFGltcG9ydGVkLmV4YW1wbGUu
    Y29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6jxD9yJqRYSTgK9bcIsUI4AY
    Vo/19xV88EJDW3/2w/DUcD7KmrTLiYrYHuMUJ2jDjkE+rp2wVeUHcHzmOArmnqN0
    MHIwHQYDVR0OBBYEFMgD0udNeSB5q2km/wVrJD34wscUMB8GA1UdIwQYMBaAFMgD
    0udNeSB5q2km/wVrJD34wscUMA8GA1UdEwEB/wQFMAMBAf8wHwYDVR0RBBgwFoIU
    aW1wb3J0ZWQuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSAAwRQIgUgwlB95UNLVl
    RAyoZ1xXVMNeakgBj/x12fw2U5bYwvkCIQC5faDHt/GrffKckAJdQpm6hb77LxOX
    3AxEC/R4HEdOYQ==
    -----END CERTIFICATE-----
  EOT
}

# A certificate that somebody else has issued, and renewed.
resource "aws_acm_certificate" "imported" {
  private_key      = local.key
  certificate_body = var.stage == "first" ? local.certificate_1 : local.certificate_2
}
