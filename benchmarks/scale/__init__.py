"""What many sessions take: memory and time of the store, logins and renewals that come all at once."""
