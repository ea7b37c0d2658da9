"""Notifications: events told to the outside, by webhook."""
