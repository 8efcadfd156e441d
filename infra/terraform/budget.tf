# The last guard: it sees what the controller cannot, a machine that nobody's controller remembers.
resource "aws_budgets_budget" "agents" {
  name         = "${var.project}-agents"
  budget_type  = "COST"
  limit_amount = tostring(var.budget_per_month)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:cascada:project$%s", var.project)]
  }
  dynamic "notification" {
    for_each = [80, 100]
    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      notification_type          = "ACTUAL"
      subscriber_email_addresses = [var.mail]
    }
  }
}
