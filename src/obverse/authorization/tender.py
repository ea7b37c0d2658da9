"""Who pays which part of a payment: what the holder has picked, then the order set in the wallet. Pure."""
