# Machines reach out, and nothing reaches them: a public address without a rule for incoming traffic costs no NAT gateway.
data "aws_ec2_instance_type_offerings" "first" {
  location_type = "availability-zone"
  filter {
    name   = "instance-type"
    values = [var.types[0]]
  }
}

resource "aws_vpc" "agents" {
  cidr_block           = var.network
  enable_dns_hostnames = true
  tags                 = { Name = "${var.project}-agents" }
}

resource "aws_subnet" "agents" {
  vpc_id                  = aws_vpc.agents.id
  cidr_block              = var.network
  availability_zone       = sort(data.aws_ec2_instance_type_offerings.first.locations)[0]
  map_public_ip_on_launch = true
  tags                    = { Name = "${var.project}-agents" }
}

resource "aws_internet_gateway" "agents" {
  vpc_id = aws_vpc.agents.id
  tags   = { Name = "${var.project}-agents" }
}

resource "aws_route_table" "agents" {
  vpc_id = aws_vpc.agents.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.agents.id
  }
  tags = { Name = "${var.project}-agents" }
}

resource "aws_route_table_association" "agents" {
  subnet_id      = aws_subnet.agents.id
  route_table_id = aws_route_table.agents.id
}

resource "aws_security_group" "agents" {
  name        = "${var.project}-agents"
  description = "Agents ask, nobody asks them"
  vpc_id      = aws_vpc.agents.id
  tags        = { Name = "${var.project}-agents" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.agents.id
  description       = "Prefect, MLflow, S3, SSM"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "files" {
  security_group_id = aws_security_group.agents.id
  description       = "NFS of the shared checkpoints, inside the network"
  cidr_ipv4         = var.network
  ip_protocol       = "tcp"
  from_port         = 2049
  to_port           = 2049
}
