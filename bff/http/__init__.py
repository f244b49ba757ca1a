"""Ground floor of HTTP: raw paths, header lists, cookies, problem documents, return_to."""
