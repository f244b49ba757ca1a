"""How the larger parts are put together for `app`, each from the settings and from what it stands on."""
