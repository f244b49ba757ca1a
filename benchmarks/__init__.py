"""What a request costs, what a renewal delays, what a worker weighs: measured on real processes."""
