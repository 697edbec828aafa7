# What many have: a VPC, a VPN connection and security groups by the registry's modules,
# as they are.

locals {
  zones = ["${var.region}a", "${var.region}b"]
}

module "vpc" {
  source = "./terraform-aws-vpc"

  name                  = "modules"
  cidr                  = "10.0.0.0/16"
  secondary_cidr_blocks = ["10.1.0.0/16"]

  azs              = local.zones
  private_subnets  = ["10.0.1.0/24", "10.0.2.0/24"]
  public_subnets   = ["10.0.101.0/24", "10.0.102.0/24"]
  database_subnets = ["10.1.21.0/24", "10.1.22.0/24"]
  intra_subnets    = ["10.0.51.0/24", "10.0.52.0/24"]

  create_database_subnet_group       = false
  create_database_subnet_route_table = true

  manage_default_network_acl    = true
  manage_default_route_table    = true
  manage_default_security_group = true

  enable_dns_hostnames = true
  enable_nat_gateway   = true
  single_nat_gateway   = true

  enable_ipv6                                   = true
  public_subnet_assign_ipv6_address_on_creation = true
  public_subnet_ipv6_prefixes                   = [0, 1]
  private_subnet_ipv6_prefixes                  = [2, 3]
  database_subnet_ipv6_prefixes                 = [4, 5]
  intra_subnet_ipv6_prefixes                    = [6, 7]
  intra_subnet_ipv6_native                      = true

  public_dedicated_network_acl = true
  public_inbound_acl_rules = [
    { rule_number = 100, rule_action = "allow", protocol = "tcp", from_port = 443, to_port = 443, cidr_block = "0.0.0.0/0" },
    { rule_number = 110, rule_action = "allow", protocol = "tcp", from_port = 443, to_port = 443, ipv6_cidr_block = "::/0" },
    { rule_number = 120, rule_action = "deny", protocol = "-1", from_port = 0, to_port = 0, cidr_block = "198.51.100.0/24" },
  ]

  enable_dhcp_options              = true
  dhcp_options_domain_name         = "service.internal"
  dhcp_options_domain_name_servers = ["127.0.0.1", "10.0.0.2"]

  customer_gateways = {
    site = { bgp_asn = 65112, ip_address = var.customer_address, device_name = "site" }
  }
  enable_vpn_gateway                 = true
  propagate_private_route_tables_vgw = true

  enable_flow_log                      = true
  create_flow_log_cloudwatch_log_group = true
  create_flow_log_cloudwatch_iam_role  = true
  flow_log_max_aggregation_interval    = 60

  vpc_tags = { kind = "modules" }
}

module "vpn" {
  source = "./terraform-aws-vpn-gateway"

  vpn_connection_static_routes_only         = true
  vpn_connection_static_routes_destinations = ["172.16.0.0/24", "172.16.1.0/24"]

  vpn_gateway_id      = module.vpc.vgw_id
  customer_gateway_id = module.vpc.cgw_ids[0]

  vpc_id                       = module.vpc.vpc_id
  vpc_subnet_route_table_ids   = module.vpc.intra_route_table_ids
  vpc_subnet_route_table_count = 1

  tunnel1_inside_cidr   = "169.254.33.88/30"
  tunnel2_inside_cidr   = "169.254.33.100/30"
  tunnel1_preshared_key = "a.key.of.the.first_tunnel"
  tunnel2_preshared_key = "a.key.of.the.other_tunnel"
}

module "web" {
  source = "./terraform-aws-security-group/modules/https-443"

  name                = "web"
  description         = "HTTPS from anywhere"
  vpc_id              = module.vpc.vpc_id
  ingress_cidr_blocks = ["0.0.0.0/0"]
}

module "service" {
  source = "./terraform-aws-security-group"

  name        = "service"
  description = "What the web servers ask"
  vpc_id      = module.vpc.vpc_id

  ingress_with_source_security_group_id = [
    { rule = "postgresql-tcp", source_security_group_id = module.web.security_group_id },
    { from_port = 8080, to_port = 8090, protocol = "tcp", description = "from the web servers", source_security_group_id = module.web.security_group_id },
  ]
  ingress_with_self       = [{ rule = "all-all" }]
  ingress_cidr_blocks     = ["172.16.0.0/23"]
  ingress_rules           = ["ssh-tcp", "all-icmp"]
  egress_cidr_blocks      = ["0.0.0.0/0"]
  egress_ipv6_cidr_blocks = ["::/0"]
  egress_rules            = ["all-all"]
}
