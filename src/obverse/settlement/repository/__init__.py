"""The settlement room's SQL: `days` settle, `statements` tell merchants of it, `payouts` pay them."""
