"""How the documentation site is built, and what of it is generated. Nothing here is part of the product."""
