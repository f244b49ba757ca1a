"""What `bff check` looks at, one module a subject: pure assessments, and the reaching out that feeds them."""
