# One configuration for several regions and accounts, and for a role. Where nothing says
# tags, the provider calls it a change that it reads none.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "other_access_key" { type = string }
variable "other_secret_key" { type = string }
variable "role" { type = string }
variable "account" { type = string }
variable "other_account" { type = string }

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true

  default_tags {
    tags = { owner = "net" }
  }
  ignore_tags {
    keys         = ["seen"]
    key_prefixes = ["scan:"]
  }
}

provider "aws" {
  alias                   = "west"
  region                  = "eu-west-1"
  skip_metadata_api_check = true
}

provider "aws" {
  alias                   = "other"
  region                  = "us-east-1"
  access_key              = var.other_access_key
  secret_key              = var.other_secret_key
  skip_metadata_api_check = true
}

provider "aws" {
  alias                   = "role"
  region                  = "us-east-1"
  skip_metadata_api_check = true

  assume_role {
    role_arn     = var.role
    session_name = "terraform"
  }
}

data "aws_caller_identity" "default" {
  lifecycle {
    postcondition {
      condition     = self.account_id == var.account && endswith(self.arn, ":user/terraform")
      error_message = "The default provider calls as ${self.arn}."
    }
  }
}

data "aws_caller_identity" "other" {
  provider = aws.other

  lifecycle {
    postcondition {
      condition     = self.account_id == var.other_account
      error_message = "The other account's provider calls as ${self.arn}."
    }
  }
}

data "aws_caller_identity" "role" {
  provider = aws.role

  lifecycle {
    postcondition {
      condition     = endswith(self.arn, ":assumed-role/networks/terraform")
      error_message = "The role's provider calls as ${self.arn}."
    }
  }
}

data "aws_availability_zones" "west" {
  provider = aws.west

  lifecycle {
    postcondition {
      condition     = alltrue([for name in self.names : startswith(name, "eu-west-1")])
      error_message = "The west has the zones ${join(", ", self.names)}."
    }
  }
}

resource "aws_vpc" "each" {
  for_each   = { red = "10.1.0.0/16", blue = "10.2.0.0/16" }
  cidr_block = each.value
  tags       = { Name = each.key }
}

resource "aws_subnet" "each" {
  for_each   = aws_vpc.each
  vpc_id     = each.value.id
  cidr_block = cidrsubnet(each.value.cidr_block, 8, 1)
  tags       = { Name = each.key }
}

resource "aws_vpc" "west" {
  provider   = aws.west
  cidr_block = "10.3.0.0/16"
  tags       = { Name = "west" }
}

resource "aws_subnet" "west" {
  provider          = aws.west
  count             = 2
  vpc_id            = aws_vpc.west.id
  cidr_block        = cidrsubnet(aws_vpc.west.cidr_block, 8, count.index)
  availability_zone = data.aws_availability_zones.west.names[count.index]
  tags              = { Name = "west" }
}

resource "aws_vpc" "other" {
  provider   = aws.other
  cidr_block = "10.4.0.0/16"
  tags       = { Name = "other" }
}
