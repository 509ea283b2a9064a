"""From a frozen plan to Terraform and CI: text alone, and the same plan gives the same bytes."""
