"""What the article advises."""
