# Most options of the first tunnel, as they are made and as they change.
resource "aws_customer_gateway" "site" {
  type       = "ipsec.1"
  ip_address = "192.0.2.104"
  bgp_asn    = 65000
}

resource "aws_vpn_gateway" "main" {}

resource "aws_vpn_connection" "site" {
  type                     = "ipsec.1"
  customer_gateway_id      = aws_customer_gateway.site.id
  vpn_gateway_id           = aws_vpn_gateway.main.id
  static_routes_only       = true
  local_ipv4_network_cidr  = var.stage == "first" ? "10.0.0.0/16" : "10.0.0.0/8"
  remote_ipv4_network_cidr = var.stage == "first" ? "192.168.0.0/16" : "192.168.0.0/24"

  tunnel1_inside_cidr   = "169.254.33.0/30"
  tunnel1_preshared_key = var.stage == "first" ? "chosen.by.terraform.1" : "chosen.by.terraform.2"

  tunnel1_phase1_encryption_algorithms = var.stage == "first" ? ["AES256"] : ["AES256", "AES256-GCM-16"]
  tunnel1_phase1_integrity_algorithms  = var.stage == "first" ? ["SHA2-256"] : ["SHA2-256", "SHA2-512"]
  tunnel1_phase1_dh_group_numbers      = var.stage == "first" ? [14] : [14, 20]
  tunnel1_phase1_lifetime_seconds      = var.stage == "first" ? 14400 : 21600
  tunnel1_phase2_encryption_algorithms = var.stage == "first" ? ["AES128"] : ["AES256"]
  tunnel1_phase2_integrity_algorithms  = var.stage == "first" ? ["SHA2-256"] : ["SHA2-384"]
  tunnel1_phase2_dh_group_numbers      = var.stage == "first" ? [14] : [19]
  tunnel1_phase2_lifetime_seconds      = var.stage == "first" ? 3600 : 1800
  tunnel1_rekey_margin_time_seconds    = var.stage == "first" ? 270 : 300
  tunnel1_rekey_fuzz_percentage        = var.stage == "first" ? 100 : 50
  tunnel1_replay_window_size           = var.stage == "first" ? 1024 : 512
  tunnel1_dpd_timeout_seconds          = var.stage == "first" ? 30 : 60
  tunnel1_dpd_timeout_action           = var.stage == "first" ? "clear" : "restart"
  tunnel1_ike_versions                 = var.stage == "first" ? ["ikev1", "ikev2"] : ["ikev2"]
  tunnel1_startup_action               = var.stage == "first" ? "add" : "start"

  tunnel1_enable_tunnel_lifecycle_control = var.stage != "first"
}
