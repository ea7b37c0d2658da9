"""Treasury: money that enters and leaves through the bank."""
