# Most options of the second tunnel, which the first stage leaves as they are.
resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.103"
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "main" {}

resource "aws_vpn_connection" "site" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.site.id
  vpn_gateway_id      = aws_vpn_gateway.main.id
  static_routes_only  = true

  tunnel1_inside_cidr   = "169.254.35.0/30" # by which the provider tells the tunnels apart
  tunnel2_inside_cidr   = "169.254.34.0/30"
  tunnel2_preshared_key = "chosen.by.terraform.2"

  tunnel2_phase1_encryption_algorithms = var.stage == "first" ? null : ["AES256", "AES256-GCM-16"]
  tunnel2_phase1_integrity_algorithms  = var.stage == "first" ? null : ["SHA2-256", "SHA2-512"]
  tunnel2_phase1_dh_group_numbers      = var.stage == "first" ? null : [14, 20]
  tunnel2_phase1_lifetime_seconds      = var.stage == "first" ? null : 21600
  tunnel2_phase2_encryption_algorithms = var.stage == "first" ? null : ["AES256"]
  tunnel2_phase2_integrity_algorithms  = var.stage == "first" ? null : ["SHA2-384"]
  tunnel2_phase2_dh_group_numbers      = var.stage == "first" ? null : [19]
  tunnel2_phase2_lifetime_seconds      = var.stage == "first" ? null : 1800
  tunnel2_rekey_margin_time_seconds    = var.stage == "first" ? null : 300
  tunnel2_rekey_fuzz_percentage        = var.stage == "first" ? null : 50
  tunnel2_replay_window_size           = var.stage == "first" ? null : 512
  tunnel2_dpd_timeout_seconds          = var.stage == "first" ? null : 60
  tunnel2_dpd_timeout_action           = var.stage == "first" ? null : "none"
  tunnel2_ike_versions                 = var.stage == "first" ? null : ["ikev2"]
  tunnel2_startup_action               = var.stage == "first" ? null : "start"

  tunnel2_enable_tunnel_lifecycle_control = var.stage == "first" ? null : true
}
